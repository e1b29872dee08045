// What else goes wrong around the shipped server: its database, its memory, its files and
// its keys. Rows 4, 21 to 23, 48, 53, 54, 56 and 62 of the fault matrix.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <absl/strings/numbers.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "storage/catalog/sql.h"
#include "tests/crash/fault_world.h"

namespace mooring::testing {
namespace {

class ProcessFaults : public FaultWorld {
 protected:
  // Of PostgreSQL's own: the postmaster and what it runs.
  void SignalPostgres(int signal) {
    const pid_t postmaster = postgres_->pid();
    for (const pid_t pid : ProcessesOf(postmaster)) kill(pid, signal);
  }
  // Ends every session of the database but this one's.
  void TerminateSessions() {
    const auto sql = storage::SqlSession::Connect(postgres_->url());
    if (!sql.ok()) return;
    (*sql)
        ->Exec(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .status()
        .IgnoreError();
  }
};

// Row 21.
TEST_F(ProcessFaults, EachStatementLosesItsConnection) {
  SetUpWorld(1);
  // In steps, for a backup makes some hundred of them.
  for (int n = 1; n < 400; n += 7) {
    Arm(fmt::format("statement@database:{}:eio", n));
    world_->BackUp(0).IgnoreError();
    const bool was_reached = board_->acted() > 0;
    board_->Disarm();
    const absl::Status settled = world_->Settle();
    ASSERT_TRUE(settled.ok()) << n << ": " << settled;
    if (!was_reached) break;
  }
  EXPECT_TRUE(server_->running());
  CheckEverything();
}

// Row 21.
TEST_F(ProcessFaults, SessionsOfTheDatabaseAreEndedUnderLoad) {
  SetUpWorld(3);
  {
    const std::jthread terminator([this](const std::stop_token& stop) {
      while (clock_.Sleep(absl::Milliseconds(40), stop)) TerminateSessions();
    });
    for (int i = 0; i < 6; ++i) world_->Run(Step::kTwoBackups).IgnoreError();
  }
  EXPECT_TRUE(server_->running());
  CheckEverything();
}

// Row 22; crash_cycles does it at random instants.
TEST_F(ProcessFaults, ThePostgresqlOfARunningServerStopsImmediately) {
  SetUpWorld(2);
  std::jthread load([this] { world_->Run(Step::kTwoBackups).IgnoreError(); });
  absl::SleepFor(absl::Milliseconds(60));
  ASSERT_EQ(kill(postgres_->pid(), SIGQUIT), 0);
  load.join();
  EXPECT_TRUE(world_->BackUpUntilDone(0).ok());
  EXPECT_TRUE(server_->running());
  CheckEverything();
}

// Rows 4 and 23: PostgreSQL has committed, and nobody heard it.
TEST_F(ProcessFaults, EachCommitWhoseAnswerIsLostIsResolved) {
  SetUpWorld(1);
  bool was_reached = true;
  for (int n = 1; was_reached && n < 100; ++n) {
    Arm(fmt::format("answer@database:{}:lose-reply", n));
    world_->BackUp(0).IgnoreError();
    was_reached = board_->acted() > 0;
    board_->Disarm();
    const absl::Status settled = world_->Settle();
    ASSERT_TRUE(settled.ok()) << n << ": " << settled;
    const absl::Status checked = world_->Check(false);
    ASSERT_TRUE(checked.ok()) << n << ": " << checked;
  }
  EXPECT_FALSE(was_reached);
  EXPECT_TRUE(server_->running());
  CheckEverything();
}

// Row 56: the database neither answers nor goes away.
TEST_F(ProcessFaults, ADatabaseThatDoesNotAnswerAcknowledgesNothing) {
  SetUpWorld(1);
  SignalPostgres(SIGSTOP);
  std::atomic<bool> is_over = false;
  absl::Status status;
  std::jthread backup([&] {
    status = world_->BackUp(0);
    is_over = true;
  });
  absl::SleepFor(absl::Seconds(2));
  const bool was_acknowledged = is_over && status.ok();
  SignalPostgres(SIGCONT);
  backup.join();
  EXPECT_FALSE(was_acknowledged);
  EXPECT_TRUE(world_->BackUpUntilDone(0).ok());
  CheckEverything();
}

// Row 53.
TEST_F(ProcessFaults, AnAllocationThatFailsCostsNoMoreThanARestart) {
  SetUpWorld(1);
  for (const int n : {1, 40, 300, 1000, 2500, 5000}) {
    Arm(fmt::format("allocate@memory:{}:enomem", n));
    world_->BackUp(0).IgnoreError();
    board_->Disarm();
    absl::Status settled = world_->Settle();
    // It may have been on its way to its end.
    if (!server_->running()) {
      Restart();
      settled = world_->Settle();
    }
    ASSERT_TRUE(settled.ok()) << n << ": " << settled;
  }
  CheckEverything();
}

// Rows 53 and 55.
TEST_F(ProcessFaults, AServerWithoutMemoryToGrowLosesNothing) {
  SetUpWorld(3);
  std::ifstream statm(fmt::format("/proc/{}/statm", server_->pid()));
  std::uint64_t pages = 0;
  statm >> pages;
  const rlim_t bytes = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) + (4U << 20);
  const rlimit limit{bytes, bytes};
  ASSERT_EQ(prlimit(server_->pid(), RLIMIT_AS, &limit, nullptr), 0);
  for (int i = 0; i < 4 && server_->running(); ++i) {
    world_->Run(Step::kTwoBackups).IgnoreError();
  }
  Restart();
  CheckEverything();
}

// Row 54.
TEST_F(ProcessFaults, FilesThatRunOutLoseNothing) {
  SetUpWorld(2);
  const rlimit limit{160, 160};
  ASSERT_EQ(prlimit(server_->pid(), RLIMIT_NOFILE, &limit, nullptr), 0);
  const std::string address = server_->agents_address();
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int port = 0;
  ASSERT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  std::vector<int> sockets;
  for (int i = 0; i < 400; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) errno = 0;
    sockets.push_back(fd);
  }
  absl::SleepFor(absl::Milliseconds(300));
  // New files and connections fail; whether this one gets there is luck.
  world_->BackUp(0).IgnoreError();
  EXPECT_TRUE(server_->running());
  for (const int fd : sockets) close(fd);
  // gRPC 1.51 gives up a port on which accept() once found no file: it takes a restart.
  Restart();
  CheckEverything();
}

// Row 48, as far as there are providers: the file.
TEST_F(ProcessFaults, WithoutItsKeyItDoesNotStartAndNothingIsWrittenInClear) {
  SetUpWorld(1);
  server_->Kill();
  const std::string key = server_->state_dir() + "/kek";
  std::filesystem::rename(key, key + ".away");
  const absl::Status away = StartServer();
  EXPECT_EQ(away.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(away.message().find("kek"), absl::string_view::npos) << away;
  std::ofstream(key) << "not a key";
  std::filesystem::permissions(key, std::filesystem::perms::owner_read);
  EXPECT_FALSE(StartServer().ok());
  std::filesystem::remove(key);
  std::filesystem::rename(key + ".away", key);
  Restart();
  CheckEverything();
}

// Row 62.
TEST_F(ProcessFaults, AMigrationThatIsKilledAnywhereIsRepeated) {
  SetUpServer({});
  if (HasFatalFailure()) return;
  bool was_killed = true;
  int n = 1;
  for (; was_killed && n < 400; n += 5) {
    Arm(fmt::format("statement@database:{}:kill-{}", n, n % 2 == 0 ? "before" : "after"));
    const absl::Status made = server_->Init(board_->environment());
    was_killed = board_->acted() > 0;
    board_->Disarm();
    if (!was_killed) {
      ASSERT_TRUE(made.ok()) << made;
    }
  }
  EXPECT_GT(n, 20);
  const absl::Status started = StartServer();
  ASSERT_TRUE(started.ok()) << started;
  world_ = std::make_unique<CrashWorld>(*server_, 1, 1);
  const absl::Status ready = world_->SetUp();
  ASSERT_TRUE(ready.ok()) << ready;
  CheckEverything();
}

}  // namespace
}  // namespace mooring::testing
