// The shipped CLI against the shipped server: every command's way through TLS,
// token, RPC and catalog, and the errors that an administrator meets.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/subprocess.h"

namespace mooring::testing {
namespace {

using Json = nlohmann::json;

std::string Binary(const std::string& name) {
  return std::string(MOORING_BINARY_DIR) + "/" + name;
}

// A running server of its own, with two-person approval.
class TestServer {
 public:
  TestServer() {
    const RunResult init =
        RunProgram({Binary("mooringd"), "init", "--state-dir", state(), "--organization",
                    "Test Inc.", "--listen-agents", "127.0.0.1:0", "--listen-enrollment",
                    "127.0.0.1:0", "--listen-metrics", "127.0.0.1:0"});
    EXPECT_EQ(init.exit_code, 0) << init.out << init.err;
    const std::string out = dir_.path() + "/mooringd.out";
    server_ = std::make_unique<Background>(
        std::vector<std::string>{Binary("mooringd"), "serve", "--state-dir", state()},
        Environment(), out, dir_.path() + "/mooringd.log");
    const absl::Time until = absl::Now() + absl::Seconds(60);
    while (server_->running() && absl::Now() < until &&
           ReadText(out).find("mooringd ready") == std::string::npos) {
      absl::SleepFor(absl::Milliseconds(50));
    }
    EXPECT_NE(ReadText(out).find("mooringd ready"), std::string::npos)
        << ReadText(dir_.path() + "/mooringd.log");
  }
  ~TestServer() {
    server_->Signal(SIGTERM);
    EXPECT_EQ(server_->Wait(absl::Seconds(60)), 0);
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  std::string state() const { return dir_.path() + "/server"; }
  std::string path() const { return dir_.path(); }
  std::string address() const {
    return Json::parse(ReadText(state() + "/endpoints.json"), nullptr, false)
        .value("enrollment", "");
  }

 private:
  TempDir dir_;
  std::unique_ptr<Background> server_;
};

class ServerCommandsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new TestServer();
    const RunResult login = RunProgram(
        {Binary("mooring"), "login", "--server", server_->address(), "--ca",
         server_->state() + "/ca.pem", "--token-file", server_->state() + "/admin-token"},
        Variables());
    EXPECT_EQ(login.exit_code, 0) << login.out << login.err;
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }

  static Environment Variables() {
    return {{"MOORING_CONFIG", server_->path() + "/mooring.yaml"},
            {"MOORING_SERVER", ""},
            {"MOORING_TOKEN", ""},
            {"MOORING_CA", ""}};
  }

  static RunResult Run(const std::vector<std::string>& words, const std::string& input = "",
                       const Environment& more = {}) {
    std::vector<std::string> argv = {Binary("mooring")};
    argv.insert(argv.end(), words.begin(), words.end());
    Environment environment = Variables();
    for (const auto& [name, value] : more) environment[name] = value;
    return RunProgram(argv, environment, input);
  }

  static Json RunJson(std::vector<std::string> words) {
    words.insert(words.end(), {"-o", "json"});
    const RunResult result = Run(words);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    Json json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result.out;
    return json;
  }

  static TestServer* server_;
};

TestServer* ServerCommandsTest::server_ = nullptr;

TEST_F(ServerCommandsTest, LoginIsPrivateAndTellsWho) {
  struct stat info = {};
  ASSERT_EQ(::stat((server_->path() + "/mooring.yaml").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  const Json status = RunJson({"server", "status"});
  EXPECT_EQ(status.value("organization", ""), "Test Inc.");
  EXPECT_FALSE(status.value("single_admin", true));
}

TEST_F(ServerCommandsTest, AWrongTokenIsDenied) {
  const RunResult result = Run({"device", "list"}, "", {{"MOORING_TOKEN", "wrong"}});
  EXPECT_EQ(result.exit_code, 5) << result.err;
  EXPECT_EQ(Run({"doctor"}, "", {{"MOORING_TOKEN", "wrong"}}).exit_code, 5);
}

TEST_F(ServerCommandsTest, NoServerAndAWrongAuthorityAreUnavailable) {
  const RunResult gone = Run({"device", "list"}, "", {{"MOORING_SERVER", "127.0.0.1:1"}});
  EXPECT_EQ(gone.exit_code, 7) << gone.err;
  EXPECT_NE(gone.err.find("cannot reach 127.0.0.1:1"), std::string::npos) << gone.err;

  const std::string key = server_->path() + "/other.key";
  const std::string other = server_->path() + "/other.pem";
  ASSERT_EQ(
      RunProgram({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                  "-nodes", "-keyout", key, "-out", other, "-subj", "/CN=other", "-days", "2"})
          .exit_code,
      0);
  EXPECT_EQ(Run({"device", "list"}, "", {{"MOORING_CA", other}}).exit_code, 7);
  const std::string none = server_->path() + "/none.pem";
  std::ofstream(none) << "not a certificate\n";
  EXPECT_EQ(Run({"device", "list"}, "", {{"MOORING_CA", none}}).exit_code, 2);
}

TEST_F(ServerCommandsTest, InvitationsAreMadeListedAndRevoked) {
  const Json made =
      RunJson({"agent", "invite", "create", "--uses", "2", "--lifetime", "1h", "--note", "desk"});
  EXPECT_EQ(made.value("token", "").substr(0, 9), "mooring1.");
  const std::string id = made["invitation"].value("id", "");
  ASSERT_EQ(id.size(), 32U);
  EXPECT_EQ(Run({"agent", "invite", "revoke", id.substr(0, 12)}).exit_code, 0);
  bool revoked = false;
  const Json list = RunJson({"agent", "invite", "list"});
  for (const Json& invitation : list["invitations"]) {
    revoked = revoked || (invitation.value("id", "") == id && invitation.value("revoked", false));
  }
  EXPECT_TRUE(revoked);
  EXPECT_EQ(RunJson({"agent", "list"})["agents"].size(), 0U);
  EXPECT_EQ(Run({"agent", "get", "abcdef"}).exit_code, 4);
  EXPECT_EQ(Run({"agent", "revoke", "abcdefabcdefabcdefabcdefabcdefab", "--reason", "x"}).exit_code,
            4);
}

TEST_F(ServerCommandsTest, APolicyGoesThereAndBack) {
  const std::string document = "group: sales\nrpo: 3d\nretention:\n  keep_last: 2\n  daily: 7\n";
  const RunResult first = Run({"policy", "apply", "-f", "-"}, document);
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(first.out, "Policy sales is now version 1.\n");
  const RunResult got = Run({"policy", "get", "sales", "-o", "yaml"});
  ASSERT_EQ(got.exit_code, 0) << got.err;
  EXPECT_EQ(Run({"policy", "apply", "-f", "-"}, got.out).out,
            "Policy sales is unchanged at version 1.\n");
  EXPECT_EQ(Run({"policy", "apply", "-f", "-"}, "group: sales\nrpo: never\n").exit_code, 2);
  const RunResult typo = Run({"policy", "apply", "-f", "-"}, "group: sales\nrpoo: 3d\n");
  EXPECT_EQ(typo.exit_code, 2);
  EXPECT_NE(typo.err.find("line 2"), std::string::npos) << typo.err;
  EXPECT_EQ(Run({"policy", "get", "nobody"}).exit_code, 4);
  EXPECT_GE(RunJson({"policy", "list"})["policies"].size(), 1U);
}

TEST_F(ServerCommandsTest, APersonWithoutADeviceIsABreach) {
  EXPECT_EQ(Run({"person", "create", "--handle", "eve", "--group", "none"}).exit_code, 6)
      << "a group without a policy";
  ASSERT_EQ(Run({"policy", "apply", "-f", "-"}, "group: breach\nrpo: 1d\n").exit_code, 0);
  EXPECT_EQ(
      Run({"person", "create", "--handle", "bob", "--name", "Bob", "--group", "breach"}).exit_code,
      0);
  EXPECT_EQ(Run({"person", "create", "--handle", "bob"}).exit_code, 1) << "there is one";
  EXPECT_EQ(RunJson({"person", "get", "bob"}).value("group", ""), "breach");
  EXPECT_EQ(Run({"person", "get", "nobody"}).exit_code, 4);
  EXPECT_GE(RunJson({"person", "list"})["people"].size(), 1U);

  const RunResult check = Run({"compliance", "check", "--group", "breach"});
  EXPECT_EQ(check.exit_code, 8) << check.err;
  EXPECT_NE(check.out.find("bob"), std::string::npos) << check.out;
  EXPECT_EQ(Run({"compliance", "check", "--group", "empty"}).exit_code, 0);
  const Json report = RunJson({"compliance", "report", "--group", "breach"});
  EXPECT_EQ(report.value("people_without_device", ""), "1");
  ASSERT_EQ(report["rows"].size(), 1U);
  EXPECT_EQ(report["rows"][0].value("state", ""), "COMPLIANCE_STATE_NO_DEVICE");
  const RunResult csv = Run({"compliance", "report", "--group", "breach", "-o", "csv"});
  EXPECT_NE(csv.out.find(",no device,bob,Bob,breach,"), std::string::npos) << csv.out;
  EXPECT_NE(Run({"compliance", "report"}).out.find("Test Inc."), std::string::npos);
}

TEST_F(ServerCommandsTest, WhatIsNotThereIsNotFound) {
  const std::string id = "00112233445566778899aabbccddeeff";
  const std::vector<std::vector<std::string>> commands = {
      {"device", "get", "00008120-001A34E61EE8201E"},
      {"device", "assign", "00008120-001A34E61EE8201E", "--person", "bob"},
      {"device", "admit", "00008120-001A34E61EE8201E", "--agent", id},
      {"device", "backup", "00008120-001A34E61EE8201E"},
      {"session", "list", "--device", "00008120-001A34E61EE8201E"},
      {"session", "watch", "--device", "00008120-001A34E61EE8201E"},
      {"snapshot", "list", "--device", "00008120-001A34E61EE8201E"},
      {"snapshot", "get", id},
      {"snapshot", "verify", id},
      {"snapshot", "delete", id, "--reason", "x"},
      {"snapshot", "export", id, "--to", server_->path() + "/export", "--reason", "x"},
      {"restore", "start", "--from", "00008120-001A34E61EE8201E", "--to", "N", "--reason", "x"},
      {"restore", "status", id},
      {"request", "approve", id},
      {"request", "deny", id, "--reason", "x"},
      {"repository", "prune", "--plan", "--device", "00008120-001A34E61EE8201E"},
      {"policy", "explain", "00008120-001A34E61EE8201E"},
      {"hold", "create", "--device", "00008120-001A34E61EE8201E", "--reason", "x"},
      {"hold", "create", "--person", "nobody", "--reason", "x"},
      {"hold", "release", id, "--reason", "x"},
      {"snapshot", "pin", id, "--reason", "x"},
      {"device", "resume-pruning", "00008120-001A34E61EE8201E", "--reason", "x"},
  };
  for (const std::vector<std::string>& words : commands) {
    const RunResult result = Run(words);
    EXPECT_EQ(result.exit_code, 4) << words[0] << " " << words[1] << "\n"
                                   << result.out << result.err;
    EXPECT_EQ(result.out, "") << words[0] << " " << words[1];
  }
}

TEST_F(ServerCommandsTest, AnEmptyServerListsNothing) {
  EXPECT_EQ(RunJson({"device", "list"}), Json({{"devices", Json::array()}}));
  EXPECT_EQ(RunJson({"session", "list"}), Json({{"sessions", Json::array()}}));
  EXPECT_EQ(RunJson({"snapshot", "list"}), Json({{"snapshots", Json::array()}}));
  EXPECT_EQ(RunJson({"restore", "list"}), Json({{"restores", Json::array()}}));
  EXPECT_EQ(RunJson({"request", "list"}), Json({{"requests", Json::array()}}));
  EXPECT_EQ(Run({"session", "watch", "--until-idle"}).exit_code, 0);
}

TEST_F(ServerCommandsTest, RetentionIsPlannedAndSimulated) {
  const std::string document = "group: plans\nretention:\n  keep_last: 2\n  monthly: 12\n";
  const RunResult plan = Run({"policy", "plan", "-", "-o", "json"}, document);
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_FALSE(Json::parse(plan.out).value("needs_approval", true));
  const RunResult simulated =
      Run({"policy", "simulate", "-", "--backups-per-week", "1", "--years", "1"}, document);
  EXPECT_EQ(simulated.exit_code, 0) << simulated.err;
  EXPECT_NE(simulated.out.find("53 snapshots taken"), std::string::npos) << simulated.out;
  EXPECT_EQ(Run({"policy", "plan", "-"}, "group: plans\nrpo: never\n").exit_code, 2);
  ASSERT_EQ(Run({"person", "create", "--handle", "held"}).exit_code, 0);
  ASSERT_EQ(Run({"hold", "create", "--person", "held", "--reason", "case 14"}).exit_code, 0);
  EXPECT_EQ(RunJson({"hold", "list"})["holds"][0].value("person_handle", ""), "held");
}

TEST_F(ServerCommandsTest, PruneNeedsAYes) {
  EXPECT_EQ(Run({"repository", "prune"}).exit_code, 2);
  const Json plan = RunJson({"repository", "prune", "--plan"});
  EXPECT_FALSE(plan.value("applied", true));
  EXPECT_TRUE(RunJson({"repository", "prune", "--yes"}).value("applied", false));
}

TEST_F(ServerCommandsTest, TheDoctorIsContent) {
  const RunResult result = Run({"doctor"});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

TEST_F(ServerCommandsTest, ControlCEndsAWatch) {
  const std::string out = server_->path() + "/watch.out";
  Background watch({Binary("mooring"), "session", "watch"}, Variables(), out, out);
  absl::SleepFor(absl::Milliseconds(500));
  EXPECT_TRUE(watch.running()) << ReadText(out);
  watch.Signal(SIGINT);
  EXPECT_EQ(watch.Wait(absl::Seconds(10)), 0) << ReadText(out);
}

TEST_F(ServerCommandsTest, RepositoryStatusAndCollection) {
  const Json status = RunJson({"repository", "status"});
  EXPECT_TRUE(status.contains("live")) << status.dump();
  const Json plan = RunJson({"repository", "gc", "--plan"});
  EXPECT_TRUE(plan.value("is_plan", false)) << plan.dump();
  EXPECT_TRUE(plan["stock"].value("adds_up", false)) << plan.dump();
  EXPECT_EQ(Run({"repository", "gc", "--clear-stop"}).exit_code, 2);
  EXPECT_EQ(Run({"repository", "gc", "--clear-stop", "--reason", "a test"}).exit_code, 0);
  const RunResult text = Run({"repository", "status"});
  EXPECT_NE(text.out.find("condemned"), std::string::npos) << text.out;
}

}  // namespace
}  // namespace mooring::testing
