#include "storage/catalog/private_postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "storage/base/status.h"
#include "storage/catalog/database_url.h"
#include "storage/catalog/sql.h"
#include "tests/integration/storage/catalog/postgres_fixture.h"

namespace mooring::storage {
namespace {

class PrivatePostgresTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mooring-private-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    ASSERT_EQ(chmod(name, 0711), 0);
    root_ = name;
    options_.directory = root_ + "/postgres";
    options_.shared_buffers = "16MB";
  }
  void TearDown() override {
    postgres_.reset();
    std::error_code error;
    std::filesystem::remove_all(root_, error);
  }

  absl::Status Start() {
    auto started =
        PrivatePostgres::Start(OpContext{clock_.Now() + absl::Minutes(2), {}}, options_, clock_,
                               [this](PrivatePostgres::State state, const std::string&) {
                                 MutexLock lock(mutex_);
                                 states_.push_back(state);
                                 changed_.NotifyAll();
                               });
    if (!started.ok()) return started.status();
    postgres_ = *std::move(started);
    return absl::OkStatus();
  }
  bool WaitForStates(std::size_t count) {
    MutexLock lock(mutex_);
    return changed_.WaitFor(mutex_, {}, absl::Minutes(1), [&] { return states_.size() >= count; })
        .ready;
  }
  absl::StatusOr<std::int64_t> Ask(const std::string& statement) {
    MOORING_ASSIGN_OR_RETURN(const auto sql, SqlSession::Connect(postgres_->url()));
    MOORING_ASSIGN_OR_RETURN(const SqlResult result, sql->Exec(statement));
    return result.empty() ? 0 : SqlReader(result, 0).Int64();
  }

  SystemClock clock_;
  std::string root_;
  PrivatePostgresOptions options_;
  std::unique_ptr<PrivatePostgres> postgres_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<PrivatePostgres::State> states_;
};

bool Alive(pid_t pid) {
  return kill(pid, 0) == 0;
}

uid_t OwnerOf(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_uid : static_cast<uid_t>(-1);
}

TEST_F(PrivatePostgresTest, RunsSafelyWithoutRootOrNetworkAndStopsClean) {
  const absl::Status started = Start();
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_FALSE(postgres_->adopted());
  const auto safe =
      Ask("SELECT count(*) FROM pg_settings WHERE (name, setting) IN"
          " (('data_checksums', 'on'), ('fsync', 'on'), ('full_page_writes', 'on'),"
          " ('listen_addresses', ''), ('server_encoding', 'UTF8'))");
  ASSERT_TRUE(safe.ok()) << safe.status();
  EXPECT_EQ(*safe, 5);
  const std::string process = "/proc/" + std::to_string(postgres_->pid());
  EXPECT_NE(OwnerOf(process), 0u);
  EXPECT_EQ(OwnerOf(options_.directory + "/data"), OwnerOf(process));
  std::ifstream status(process + "/status");
  const std::string text((std::istreambuf_iterator<char>(status)), {});
  EXPECT_NE(text.find("NoNewPrivs:\t1"), std::string::npos);

  const pid_t pid = postgres_->pid();
  EXPECT_TRUE(postgres_->Stop().ok());
  EXPECT_FALSE(Alive(pid));
  EXPECT_FALSE(std::filesystem::exists(options_.directory + "/data/postmaster.pid"));
  EXPECT_EQ(states_.back(), PrivatePostgres::State::kStopped);

  // And again, over the same cluster.
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(*Ask("SELECT count(*) FROM pg_database WHERE datname = 'mooring'"), 1);
}

TEST_F(PrivatePostgresTest, IsStartedAgainWhenItIsKilled) {
  ASSERT_TRUE(Start().ok());
  ASSERT_TRUE(Ask("CREATE TABLE kept (n int)").ok());
  ASSERT_TRUE(Ask("INSERT INTO kept VALUES (7)").ok());
  const pid_t pid = postgres_->pid();
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  ASSERT_TRUE(WaitForStates(3));  // Running, restarting, running; or more restarts.
  for (int i = 0; i < 600 && states_.back() != PrivatePostgres::State::kRunning; ++i) {
    clock_.Sleep(absl::Milliseconds(100), {});
  }
  EXPECT_NE(postgres_->pid(), pid);
  const auto kept = Ask("SELECT n FROM kept");
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(*kept, 7);
}

TEST_F(PrivatePostgresTest, OneLeftByAKilledProcessIsAdopted) {
  // A child takes the part of a mooringd that is killed.
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const absl::Status started = Start();
    const pid_t pid = started.ok() ? postgres_->pid() : 0;
    if (write(pipe_fds[1], &pid, sizeof(pid)) != sizeof(pid)) _exit(1);
    pause();
    _exit(0);
  }
  pid_t left = 0;
  ASSERT_EQ(read(pipe_fds[0], &left, sizeof(left)), static_cast<ssize_t>(sizeof(left)));
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  ASSERT_GT(left, 0);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(Alive(left));

  const absl::Status started = Start();
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_TRUE(postgres_->adopted());
  EXPECT_EQ(postgres_->pid(), left);
  EXPECT_TRUE(Ask("SELECT 1").ok());

  // Adopted, it is watched and stopped as a child is.
  ASSERT_EQ(kill(left, SIGKILL), 0);
  ASSERT_TRUE(WaitForStates(3));
  for (int i = 0; i < 600 && !Ask("SELECT 1").ok(); ++i) clock_.Sleep(absl::Milliseconds(100), {});
  EXPECT_TRUE(Ask("SELECT 1").ok());
  EXPECT_TRUE(postgres_->Stop().ok());
}

TEST_F(PrivatePostgresTest, APidFileOfAnotherProgramDoesNotKeepItDown) {
  ASSERT_TRUE(Start().ok());
  ASSERT_TRUE(postgres_->Stop().ok());
  postgres_.reset();
  // After a reboot the number may belong to anyone: to this test, say.
  std::ofstream(options_.directory + "/data/postmaster.pid")
      << getpid() << "\n"
      << options_.directory << "/data\n1\n5432\n/tmp\n\n0 0\nready\n";
  const absl::Status started = Start();
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_FALSE(postgres_->adopted());
}

TEST_F(PrivatePostgresTest, TheSocketsLockFileOfBeforeAPowerCutDoesNotKeepItDown) {
  ASSERT_TRUE(Start().ok());
  ASSERT_TRUE(postgres_->Stop().ok());
  postgres_.reset();
  // Of this process by now; or created, and its content was never on disk.
  const std::string lock = options_.directory + "/run/.s.PGSQL.5432.lock";
  for (const std::string& content : {std::to_string(getpid()) + "\n", std::string()}) {
    std::ofstream(lock) << content;
    const absl::Status started = Start();
    ASSERT_TRUE(started.ok()) << started;
    ASSERT_TRUE(postgres_->Stop().ok());
    postgres_.reset();
  }
}

TEST_F(PrivatePostgresTest, ALongPathGetsAShortSocketDirectory) {
  options_.directory = root_ + "/" + std::string(100, 'x') + "/postgres";
  const absl::Status started = Start();
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_TRUE(Ask("SELECT 1").ok());
}

TEST_F(PrivatePostgresTest, AFolderThatItsUserCannotEnterIsNamed) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: only root drops to another user";
  ASSERT_EQ(chmod(root_.c_str(), 0700), 0);
  const absl::Status started = Start();
  EXPECT_EQ(started.code(), absl::StatusCode::kFailedPrecondition) << started;
  EXPECT_NE(started.message().find("chmod o+x " + root_), absl::string_view::npos) << started;
}

TEST_F(PrivatePostgresTest, MissingThingsAreNamed) {
  options_.binaries = "/nowhere";
  EXPECT_EQ(Start().code(), absl::StatusCode::kFailedPrecondition);
  options_.binaries.clear();
  if (geteuid() != 0) return;
  options_.run_as = "nobody-of-that-name";
  EXPECT_EQ(Start().code(), absl::StatusCode::kFailedPrecondition);
  options_.run_as = "root";
  EXPECT_EQ(Start().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PrivatePostgresTest, AClusterOfAnotherVersionSaysWhatToInstall) {
  ASSERT_EQ(mkdir(options_.directory.c_str(), 0711), 0);
  ASSERT_EQ(mkdir((options_.directory + "/data").c_str(), 0700), 0);
  std::ofstream(options_.directory + "/data/PG_VERSION") << "9.3\n";
  // As a user would see it who has no other on the search path.
  const absl::Status started = Start();
  EXPECT_EQ(started.code(), absl::StatusCode::kFailedPrecondition) << started;
  EXPECT_NE(started.message().find("postgresql-9.3"), absl::string_view::npos) << started;
}

}  // namespace
}  // namespace mooring::storage
