// A bad line between the agent and the shipped server: rows 36, 37, 57 and 58 of the fault
// matrix. The agent is mooring-agent with phones that do not exist.

#include <fstream>
#include <thread>

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include "storage/base/clock.h"
#include "tests/crash/tcp_proxy.h"
#include "tests/integration/agent/agent_bench.h"

namespace mooring::testing {
namespace {

// Some 0.8 MB each.
constexpr char kPhone[] = "SYN-1-20-40000-0-0";
constexpr char kOtherPhone[] = "SYN-2-20-40000-0-0";

class NetworkFaults : public ::testing::Test {
 protected:
  NetworkFaults() : proxy_(Endpoint()) {}

  std::string Endpoint() {
    return Json::parse(ReadText(server_.state() + "/endpoints.json"), nullptr, false)
        .value("agents", "");
  }
  // Enrolled, and on the bad line from now on.
  void SetUpAgent() {
    ASSERT_EQ(agent_.Enroll().exit_code, 0);
    const std::string path = agent_.state() + "/agent.yaml";
    std::string text = ReadText(path);
    const auto set = [&text](const std::string& key, const std::string& value) {
      std::size_t at = text.rfind(key + ":", 0) == 0 ? 0 : text.find("\n" + key + ":");
      ASSERT_NE(at, std::string::npos) << text;
      if (at > 0) ++at;
      text.replace(at, text.find('\n', at) - at, key + ": " + value);
    };
    set("server", "\"" + proxy_.address() + "\"");
    set("backup_on_attach", "false");
    std::ofstream(path, std::ios::trunc) << text;
    agent_.Attach({kPhone});
    agent_.StartDaemon();
    server_.Assign(kPhone, "alice");
  }
  RunResult BackUp() { return agent_.Run({"backup", "--device", kPhone}, absl::Minutes(2)); }
  // Exactly one snapshot of the phone, and each chunk of it is there.
  void ExpectOneWholeSnapshot() {
    const Json snapshots = server_.AdminJson({"snapshot", "list", "--device", kPhone})["snapshots"];
    ASSERT_EQ(snapshots.size(), 1U);
    const RunResult verified = server_.Admin({"snapshot", "verify", snapshots[0].value("id", "")});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  }

  SystemClock clock_;
  TestServer server_{{"lease_seconds: 10", "sessions_max: 1"}};
  TcpProxy proxy_;
  TestAgent agent_{server_, "desk"};
};

// Row 57. What is not acknowledged when it breaks is sent again: some seconds' worth.
TEST_F(NetworkFaults, ASlowLineFarAwayThatBreaksGetsThere) {
  SetUpAgent();
  if (HasFatalFailure()) return;
  proxy_.set_bytes_per_second(256 << 10);
  proxy_.set_delay(absl::Milliseconds(20));
  std::jthread breaker([this, before = proxy_.bytes()](const std::stop_token& stop) {
    // Once in the middle, then now and then.
    while (proxy_.bytes() < before + 200'000 && clock_.Sleep(absl::Milliseconds(20), stop)) {
    }
    do proxy_.ResetAll();
    while (clock_.Sleep(absl::Seconds(10), stop));
  });
  RunResult result = BackUp();
  // A person, or the next moment, tries again.
  for (int i = 0; i < 5 && result.exit_code != 0; ++i) result = BackUp();
  breaker.request_stop();
  breaker.join();
  proxy_.set_bytes_per_second(0);
  proxy_.set_delay(absl::ZeroDuration());
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err << agent_.log();
  EXPECT_GT(proxy_.connections(), 1U);
  ExpectOneWholeSnapshot();
}

// Rows 36 and 58.
TEST_F(NetworkFaults, AConnectionThatIsCutWhileIdleOrInMidStreamIsMadeAgain) {
  SetUpAgent();
  proxy_.ResetAll();
  RunResult result;
  std::jthread backup([&] { result = BackUp(); });
  const std::uint64_t before = proxy_.bytes();
  Eventually([&] { return proxy_.bytes() > before + 200'000; }, absl::Seconds(20));
  proxy_.ResetAll();
  backup.join();
  if (result.exit_code != 0) result = BackUp();
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err << agent_.log();
  ExpectOneWholeSnapshot();
}

// Row 37: nothing comes, and nobody says that it is over.
TEST_F(NetworkFaults, ASilentAgentLosesItsSlotToAnother) {
  SetUpAgent();
  proxy_.set_bytes_per_second(256 << 10);
  std::jthread backup([&] { BackUp(); });
  const std::uint64_t before = proxy_.bytes();
  ASSERT_TRUE(Eventually([&] { return proxy_.bytes() > before + 200'000; }, absl::Seconds(20)));
  proxy_.set_stalled(true);

  TestAgent other(server_, "other");
  ASSERT_EQ(other.Enroll().exit_code, 0);
  other.Attach({kOtherPhone});
  other.StartDaemon();
  server_.Assign(kOtherPhone, "bob");
  // There is one slot, and the silent one has it until its lease is over.
  const RunResult result = other.Run({"backup", "--device", kOtherPhone}, absl::Minutes(3));
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;

  proxy_.set_stalled(false);
  proxy_.set_bytes_per_second(0);
  backup.join();
  EXPECT_TRUE(Eventually([&] { return BackUp().exit_code == 0; }, absl::Minutes(2)))
      << agent_.log();
}

}  // namespace
}  // namespace mooring::testing
