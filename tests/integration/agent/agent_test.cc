// The shipped agent (with synthetic phones) against the shipped server: enroll,
// back up, restore, and what goes wrong on the way.

#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>

#include "tests/integration/agent/agent_bench.h"

namespace mooring::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Every tenth file changes between generations.
constexpr char kPhone[] = "SYN-7-200-30000-10-0-0-0";
constexpr char kBigPhone[] = "SYN-8-3000-100000-10-0-0-0";

class AgentTest : public ::testing::Test {
 protected:
  void Ready(const std::string& serial) {
    ASSERT_EQ(agent_.Enroll().exit_code, 0);
    agent_.StartDaemon();
    agent_.Attach({serial});
    server_.Assign(serial, "ada");
  }

  std::size_t Snapshots(const std::string& serial) {
    const RunResult listed = server_.Admin({"snapshot", "list", "--device", serial, "-o", "json"});
    if (listed.exit_code != 0) return 0;
    return Json::parse(listed.out, nullptr, false).value("snapshots", Json::array()).size();
  }

  // Asked for, approved and awaited.
  RunResult Restore(const std::string& from, const std::string& to) {
    const Json created = Json::parse(server_
                                         .Admin({"restore", "start", "--from", from, "--to", to,
                                                 "--reason", "test", "-o", "json"})
                                         .out,
                                     nullptr, false);
    const std::string request = created["request"].value("id", "");
    const RunResult approved = server_.Admin({"request", "approve", request});
    EXPECT_EQ(approved.exit_code, 0) << approved.out << approved.err << created;
    return server_.Admin({"restore", "status", created.value("restore_id", ""), "--wait"});
  }

  // What one backup at the desk read from the phone.
  static std::uint64_t BytesRead(TestAgent& agent, const std::string& serial) {
    const RunResult result = agent.Run({"backup", "--device", serial, "-o", "yaml"});
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err << agent.log();
    const std::size_t at = result.out.find("\nbytes: ");
    if (at == std::string::npos) return 0;
    return std::strtoull(result.out.c_str() + result.out.find_first_of("0123456789", at), nullptr,
                         10);
  }

  TestServer server_;
  TestAgent agent_{server_, "agent"};
};

TEST_F(AgentTest, BacksUpADuePhoneByItselfAndRestoresIt) {
  Ready(kPhone);
  ASSERT_TRUE(Eventually([&] { return Snapshots(kPhone) == 1; })) << agent_.log();
  // Incremental, asked for at the desk.
  agent_.SetGeneration(kPhone, 1);
  const RunResult second = agent_.Run({"backup", "--device", kPhone});
  EXPECT_EQ(second.exit_code, 0) << second.out << second.err << agent_.log();
  EXPECT_THAT(second.out, HasSubstr("Safe to unplug."));
  EXPECT_EQ(Snapshots(kPhone), 2U);
  const RunResult restored = Restore(kPhone, kPhone);
  EXPECT_EQ(restored.exit_code, 0) << restored.out << restored.err << agent_.log();
}

TEST_F(AgentTest, AnUnassignedPhoneIsNotRead) {
  ASSERT_EQ(agent_.Enroll().exit_code, 0);
  agent_.StartDaemon();
  agent_.Attach({kPhone});
  ASSERT_TRUE(Eventually([&] {
    return agent_.Run({"devices"}).out.find("Not assigned") != std::string::npos;
  })) << agent_.Run({"devices"}).out
      << agent_.log();
  const RunResult refused = agent_.Run({"backup", "--device", kPhone});
  EXPECT_EQ(refused.exit_code, 5) << refused.out << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("not assigned"));
  EXPECT_EQ(agent_.Run({"backup", "--device", "nobody"}).exit_code, 4);
}

TEST_F(AgentTest, CommandsDoTheWorkThemselvesWithoutADaemon) {
  Ready(kPhone);
  ASSERT_TRUE(Eventually([&] { return Snapshots(kPhone) == 1; })) << agent_.log();
  agent_.StopDaemon(SIGTERM);
  EXPECT_THAT(agent_.Run({"status"}).out, HasSubstr("not running"));
  agent_.SetGeneration(kPhone, 3);
  const RunResult backup = agent_.Run({"backup", "--device", kPhone});
  EXPECT_EQ(backup.exit_code, 0) << backup.out << backup.err;
  EXPECT_EQ(Snapshots(kPhone), 2U);
}

TEST_F(AgentTest, ARestartOfTheServerInTheMiddleOfABackupCostsNothing) {
  Ready(kBigPhone);
  ASSERT_TRUE(Eventually([&] {
    return agent_.Run({"devices", "-o", "json"}).out.find("PHASE_CAPTURING") != std::string::npos;
  })) << agent_.log();
  server_.Stop(SIGTERM);
  server_.Start();
  EXPECT_TRUE(Eventually([&] { return Snapshots(kBigPhone) == 1; }, absl::Seconds(90)))
      << agent_.log();
}

TEST_F(AgentTest, AKilledAgentLosesNothing) {
  Ready(kBigPhone);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(Eventually([&] {
      return agent_.Run({"devices", "-o", "json"}).out.find("PHASE_CAPTURING") != std::string::npos;
    })) << agent_.log();
    agent_.StopDaemon(SIGKILL);
    agent_.StartDaemon();
  }
  EXPECT_TRUE(Eventually([&] { return Snapshots(kBigPhone) == 1; }, absl::Seconds(90)))
      << agent_.log();
}

TEST_F(AgentTest, EnrollmentTellsWhatIsWrong) {
  EXPECT_THAT(agent_.Enroll("mooring1.nonsense").err, HasSubstr("error: "));
  EXPECT_FALSE(std::filesystem::exists(agent_.state() + "/agent.yaml"));
  const std::string token = server_.Invite();
  const RunResult unreachable = agent_.Enroll(token, {"--server", "127.0.0.1:1"});
  EXPECT_EQ(unreachable.exit_code, 7) << unreachable.err;
  EXPECT_EQ(agent_.Enroll(token).exit_code, 0);
  EXPECT_NE(agent_.Enroll(token).exit_code, 0);  // Enrolled already.
  TestAgent second(server_, "second");
  const RunResult used = second.Enroll(token);
  EXPECT_EQ(used.exit_code, 5) << used.err;
  for (const char* file : {"agent.key", "hpke.key"}) {
    EXPECT_EQ(std::filesystem::status(agent_.state() + "/" + file).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
}

TEST_F(AgentTest, AnotherServersCaIsRefusedBeforeAnythingIsSent) {
  TestServer other;
  const RunResult wrong = agent_.Enroll(
      server_.Invite(),
      {"--server",
       Json::parse(ReadText(other.state() + "/endpoints.json")).value("enrollment", "")});
  EXPECT_EQ(wrong.exit_code, 5) << wrong.err;
  EXPECT_THAT(wrong.err, HasSubstr("nothing was sent"));
}

TEST_F(AgentTest, TwoPhonesAtOnceAndAMoveToAnAdmittedAgent) {
  const std::string other = "SYN-9-200-30000-10-0-0-0";
  Ready(kPhone);
  agent_.Attach({kPhone, other});
  server_.Assign(other, "grace");
  ASSERT_TRUE(Eventually([&] { return Snapshots(kPhone) == 1 && Snapshots(other) == 1; }))
      << agent_.log();
  agent_.Attach({other});
  TestAgent second(server_, "second");
  ASSERT_EQ(second.Enroll().exit_code, 0);
  second.StartDaemon();
  second.Attach({kPhone});
  // Not admitted: a full backup, because it may not read the base.
  second.SetGeneration(kPhone, 1);
  const std::uint64_t full = BytesRead(second, kPhone);
  const RunResult admitted = server_.Admin({"device", "admit", kPhone, "--agent", second.id()});
  EXPECT_EQ(admitted.exit_code, 0) << admitted.out << admitted.err;
  second.SetGeneration(kPhone, 2);
  const std::uint64_t incremental = BytesRead(second, kPhone);
  EXPECT_GT(incremental, 0U);
  EXPECT_LT(incremental * 4, full);
  EXPECT_EQ(Snapshots(kPhone), 3U);
}

TEST_F(AgentTest, DoctorFindsNothingWrongWithTheServer) {
  ASSERT_EQ(agent_.Enroll().exit_code, 0);
  const RunResult report = agent_.Run({"doctor", "-o", "json"});
  const Json json = Json::parse(report.out, nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << report.out << report.err;
  for (const Json& check : json["checks"]) {
    for (const char* name : {"state directory", "certificate", "server CA", "server", "clock"}) {
      if (check["name"] == name) {
        EXPECT_EQ(check["result"], "ok") << check;
      }
    }
  }
}

}  // namespace
}  // namespace mooring::testing
