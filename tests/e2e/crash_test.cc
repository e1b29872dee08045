// kill -9 of agent, session, server and PostgreSQL at random moments of a
// backup, in a loop. Afterwards everything starts, the previous snapshot is
// intact, the next backup completes, and no acknowledged snapshot is lost.
//
// MOORING_CRASH_ROUNDS sets the rounds (default 8), MOORING_CRASH_SEED the seed.

#include <signal.h>

#include <cstdlib>
#include <sstream>

#include <gtest/gtest.h>

#include "storage/base/random.h"
#include "tests/e2e/deployment.h"

namespace mooring::testing {
namespace {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

class CrashTest : public ::testing::Test {
 protected:
  void SetUp() override {
    d_.Enroll("desk");
    d_.StartFarm("usb", {"--phones", "1", "--seed", "21", "--bytes", "48M"});
    d_.StartAgent("desk", "usb");
    phone_ = d_.Phones("usb").at(0);
    d_.AwaitDevice(phone_);
    d_.Assign(phone_, "alice");
  }

  // Pids of the agent's session processes.
  std::vector<pid_t> Sessions() {
    std::vector<pid_t> pids;
    std::istringstream text(
        RunProgram({"pgrep", "-P", std::to_string(d_.agent("desk").pid())}).out);
    for (pid_t pid = 0; text >> pid;) pids.push_back(pid);
    return pids;
  }

  pid_t Postmaster() {
    std::istringstream text(RunProgram({"find", d_.server_dir(), "-name", "postmaster.pid", "-exec",
                                        "head", "-n1", "{}", ";"})
                                .out);
    pid_t pid = 0;
    text >> pid;
    return pid;
  }

  void Kill(int victim) {
    if (victim == 0) {
      d_.agent("desk").Signal(SIGKILL);
      d_.agent("desk").Wait(absl::Seconds(10));  // Or Revive would take it for alive.
    } else if (victim == 1) {
      for (const pid_t pid : Sessions()) kill(pid, SIGKILL);
    } else if (victim == 2) {
      d_.server().Signal(SIGKILL);
      d_.server().Wait(absl::Seconds(10));
    } else if (const pid_t pid = Postmaster(); pid > 1) {
      kill(pid, SIGKILL);
    }
  }

  void Revive() {
    if (!d_.agent("desk").running()) d_.StartAgent("desk", "usb");
    if (!d_.server().running()) d_.StartServer();
    EXPECT_TRUE(Eventually(
        [&] {
          return d_.Mooring({"snapshot", "list"}).exit_code == 0;
        },
        absl::Seconds(90)))
        << "the server did not come back";
  }

  RunResult BackupUntilDone() {
    RunResult result;
    // The cut session's lease, the agent's reconnecting and a queue may cost a few tries.
    Eventually(
        [&] {
          result = d_.Backup("desk", phone_);
          return result.exit_code == 0;
        },
        absl::Seconds(120));
    return result;
  }

  Deployment d_{"limits:\n  lease_seconds: 10\n"};
  std::string phone_;
};

TEST_F(CrashTest, KillingAnyProcessAtAnyMomentLosesNoAcknowledgedSnapshot) {
  const std::uint64_t rounds = FromEnvironment("MOORING_CRASH_ROUNDS", 8);
  const std::uint64_t seed = FromEnvironment("MOORING_CRASH_SEED", 1);
  SeededRandom random(seed);
  ASSERT_EQ(BackupUntilDone().exit_code, 0);
  std::vector<std::string> acknowledged = {d_.LatestSnapshot(phone_).value("id", "")};

  for (std::uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " round " + std::to_string(round));
    d_.Farm("usb", {"mutate", phone_});
    Background backup({Deployment::Binary("mooring-agent"), "backup", "--device", phone_,
                       "--state-dir", d_.agent_dir("desk")},
                      d_.FarmEnvironment("usb"), d_.path() + "/backup.out",
                      d_.path() + "/backup.err");
    absl::SleepFor(absl::Milliseconds(random.Below(2500)));
    Kill(static_cast<int>(round % 4));
    Revive();
    const bool succeeded = backup.Wait(absl::Seconds(90)) == 0;
    if (succeeded) acknowledged.push_back(d_.LatestSnapshot(phone_).value("id", ""));

    const RunResult next = BackupUntilDone();
    ASSERT_EQ(next.exit_code, 0) << next.out << next.err;
    acknowledged.push_back(d_.LatestSnapshot(phone_).value("id", ""));
    for (const std::string& snapshot : acknowledged) {
      const RunResult verified = d_.Mooring({"snapshot", "verify", snapshot});
      EXPECT_EQ(verified.exit_code, 0) << snapshot << "\n" << verified.out << verified.err;
    }
  }

  const std::string spare = d_.AddPhone("usb", {"empty"});
  const RunResult restored = d_.Restore(phone_, spare);
  EXPECT_EQ(restored.exit_code, 0) << restored.out << restored.err;
  EXPECT_EQ(d_.Content("usb", spare), d_.Content("usb", phone_));
}

}  // namespace
}  // namespace mooring::testing
