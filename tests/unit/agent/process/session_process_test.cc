#include "agent/process/session_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "tests/support/fake_backup_server.h"
#include "tests/support/synthetic_engine.h"

namespace mooring::testing {
namespace {

using session::v1::Start;
using ::testing::HasSubstr;

class SessionProcessTest : public ::testing::Test {
 protected:
  SessionProcessTest() {
    options_.patience.first = absl::Milliseconds(5);
    options_.patience.longest = absl::Milliseconds(50);
    options_.patience.total = absl::Seconds(20);
  }

  agent::SessionEnd Run(Start::Task task, const std::string& serial) {
    Start start;
    start.set_task(task);
    start.set_platform(v1::PLATFORM_IOS);
    start.set_serial(serial);
    start.set_agent_version("test");
    start.set_hpke_private_key(ToString(memory_.hpke_private_key().view()));
    agent::SessionProcess process(channel_, clock_, random_, log_, options_,
                                  {SYNTHETIC_SESSION, {"synthetic"}});
    return process.Run(
        ctx_, start,
        [this](const v1::Progress& progress) {
          MutexLock lock(mutex_);
          phases_.push_back(progress.phase());
          if (on_progress_) on_progress_(progress);
        },
        [this] { return why_stopped_; });
  }

  static std::string Serial(std::uint32_t files, std::uint64_t average) {
    SyntheticPhone phone;
    phone.files = files;
    phone.file_bytes_average = average;
    return SyntheticEngines::SerialOf(phone);
  }

  OpContext ctx_;
  SystemClock clock_;
  SystemRandom random_;
  agent::Log log_{agent::LogLevel::kError};
  MemoryLink memory_{random_};
  FakeBackupServer server_{memory_};
  agent::ServerChannel channel_{server_.Connect()};
  agent::LinkOptions options_;
  Mutex mutex_;
  std::vector<v1::Phase> phases_;
  std::function<void(const v1::Progress&)> on_progress_;
  v1::Cause why_stopped_ = v1::CAUSE_CANCELLED;
};

v1::Cause Cancelled() {
  return v1::CAUSE_CANCELLED;
}

TEST_F(SessionProcessTest, ProbesInAProcessOfItsOwn) {
  const agent::SessionEnd end = Run(Start::TASK_PROBE, Serial(1, 1));
  ASSERT_TRUE(end.has_probed) << end.finished.message();
  EXPECT_EQ(end.probed.facts().model(), "Synthetic1,1");
  EXPECT_EQ(server_.aborts, 0);
}

TEST_F(SessionProcessTest, BacksUpAndTellsTheReceiptAndItsMemory) {
  const agent::SessionEnd end = Run(Start::TASK_BACKUP, Serial(300, 100'000));
  ASSERT_TRUE(end.finished.succeeded()) << end.finished.message();
  EXPECT_EQ(end.finished.file_count(), 300U);
  EXPECT_FALSE(end.finished.receipt().snapshot_id().empty());
  EXPECT_GT(end.finished.peak_memory_bytes(), 0U);
  EXPECT_EQ(memory_.snapshot_count(), 1U);
  EXPECT_EQ(server_.aborts, 0);
  EXPECT_THAT(phases_, ::testing::Contains(v1::PHASE_COMMITTING));
  // The next one keeps what did not change.
  const agent::SessionEnd again = Run(Start::TASK_BACKUP, Serial(300, 100'000));
  ASSERT_TRUE(again.finished.succeeded()) << again.finished.message();
  EXPECT_EQ(memory_.uploads(), 0U);
}

TEST_F(SessionProcessTest, AProcessThatDiesEndsItsSessionWithACause) {
  for (const int crash_at : {0, 7, 150}) {
    const agent::SessionEnd end =
        Run(Start::TASK_BACKUP, "CRASH-" + std::to_string(crash_at) + "-" + Serial(300, 60'000));
    EXPECT_FALSE(end.finished.succeeded());
    EXPECT_EQ(end.finished.cause(), v1::CAUSE_AGENT_STOPPED);
    EXPECT_THAT(end.finished.message(), HasSubstr("signal 9"));
    EXPECT_FALSE(end.session_id.empty());
  }
  EXPECT_EQ(server_.aborts, 3);
  EXPECT_THAT(server_.last_abort_message(), HasSubstr("signal 9"));
  EXPECT_EQ(memory_.snapshot_count(), 0U);
  EXPECT_TRUE(Run(Start::TASK_BACKUP, Serial(300, 60'000)).finished.succeeded());
}

TEST_F(SessionProcessTest, AStopCallsTheSessionOffAndGivesTheSlotBack) {
  std::stop_source stop;
  ctx_.stop = stop.get_token();
  on_progress_ = [&](const v1::Progress& progress) {
    if (progress.phase() == v1::PHASE_CAPTURING) stop.request_stop();
  };
  const agent::SessionEnd end = Run(Start::TASK_BACKUP, Serial(5000, 200'000));
  EXPECT_FALSE(end.finished.succeeded());
  EXPECT_EQ(end.finished.cause(), v1::CAUSE_CANCELLED) << end.finished.message();
  EXPECT_EQ(server_.aborts, 1);

  // An agent that ends is no person who called off.
  std::stop_source ending;
  ctx_.stop = ending.get_token();
  on_progress_ = [&](const v1::Progress&) { ending.request_stop(); };
  why_stopped_ = v1::CAUSE_AGENT_STOPPED;
  EXPECT_EQ(Run(Start::TASK_BACKUP, Serial(5000, 200'000)).finished.cause(),
            v1::CAUSE_AGENT_STOPPED);
}

TEST_F(SessionProcessTest, AFullStoreIsToldToTheSession) {
  server_.refuse_uploads = true;
  const agent::SessionEnd end = Run(Start::TASK_BACKUP, Serial(2000, 200'000));
  EXPECT_FALSE(end.finished.succeeded());
  EXPECT_THAT(end.finished.message(), HasSubstr("the store is full"));
}

TEST_F(SessionProcessTest, AProgramThatIsNoSessionIsNotBelieved) {
  agent::SessionProcess process(channel_, clock_, random_, log_, options_,
                                {"/bin/sh", {"sh", "-c", "echo hello >&3; exec sleep 60"}});
  const agent::SessionEnd end = process.Run(
      ctx_, Start(), [](const v1::Progress&) {}, Cancelled);
  EXPECT_FALSE(end.finished.succeeded());
  EXPECT_FALSE(end.finished.message().empty());
  agent::SessionProcess missing(channel_, clock_, random_, log_, options_, {"/nonexistent", {"x"}});
  EXPECT_FALSE(missing
                   .Run(
                       ctx_, Start(), [](const v1::Progress&) {}, Cancelled)
                   .finished.succeeded());
}

TEST_F(SessionProcessTest, TheProcessHasNoFileOfOursButItsPipe) {
  const agent::OwnedFd leaked(open("/dev/null", O_RDONLY));
  ASSERT_TRUE(leaked.valid());
  // A shell that looks for others among its descriptors (the one that it lists
  // them with is gone when it looks).
  agent::SessionProcess process(channel_, clock_, random_, log_, options_,
                                {"/bin/sh",
                                 {"sh", "-c",
                                  "for f in /proc/$$/fd/*; do n=${f##*/}; [ $n -gt 3 ] && "
                                  "[ $n -lt 10 ] && [ -e $f ] && exit 9; done; exit 8"}});
  const agent::SessionEnd end = process.Run(
      ctx_, Start(), [](const v1::Progress&) {}, Cancelled);
  EXPECT_THAT(end.finished.message(), HasSubstr("exit code 8"));
}

}  // namespace
}  // namespace mooring::testing
