// Two mooringd on one PostgreSQL and one repository, as shipped: a phone is backed
// up through each, and the server that a running backup uses is killed.

#include <signal.h>

#include <fstream>

#include <gmock/gmock.h>

#include "tests/e2e/android_phones.h"
#include "tests/integration/storage/catalog/postgres_fixture.h"

namespace mooring::testing {
namespace {

using ::testing::HasSubstr;

int Count(const std::string& text, const std::string& word) {
  int count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

std::unique_ptr<TestDatabase> MakeDatabase() {
  auto made = TestDatabase::MakeEmpty();
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *std::move(made) : nullptr;
}

class SeveralServersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(database_, nullptr);
    const RunResult joined =
        RunProgram({Deployment::Binary("mooringd"), "join", "--database", database_->url(),
                    "--repository", storage_.path(), "--kek-file", d_.server_dir() + "/kek",
                    "--state-dir", second_dir(), "--listen-agents", "127.0.0.1:0",
                    "--listen-enrollment", "127.0.0.1:0", "--listen-metrics", "127.0.0.1:0"});
    ASSERT_EQ(joined.exit_code, 0) << joined.out << joined.err;
    EXPECT_THAT(joined.out, HasSubstr("Test Inc."));
    StartSecond();
    ASSERT_TRUE(Eventually([&] { return ServersAlive() == 2; }));
  }

  std::string second_dir() const { return d_.path() + "/second"; }
  std::string second_log() const { return d_.path() + "/second.log"; }

  void StartSecond() {
    const std::string out = d_.path() + "/second.out";
    std::ofstream(out, std::ios::trunc).close();
    second_ =
        std::make_unique<Background>(std::vector<std::string>{Deployment::Binary("mooringd"),
                                                              "serve", "--state-dir", second_dir()},
                                     Environment{}, out, second_log());
    ASSERT_TRUE(Eventually([&] {
      return !second_->running() || ReadText(out).find("mooringd ready") != std::string::npos;
    }));
    ASSERT_TRUE(second_->running()) << ReadText(second_log());
  }

  int ServersAlive() {
    int alive = 0;
    const Json status = d_.MooringJson({"server", "status"});
    for (const Json& server : status["servers"]) alive += server.value("alive", false) ? 1 : 0;
    return alive;
  }

  // The CLI at the second server.
  Json AtSecond(std::vector<std::string> words) {
    const Json endpoints = Json::parse(ReadText(second_dir() + "/endpoints.json"));
    std::string token = ReadText(d_.server_dir() + "/admin-token");
    while (!token.empty() && token.back() == '\n') token.pop_back();
    words.insert(words.begin(), Deployment::Binary("mooring"));
    words.insert(words.end(), {"-o", "json"});
    const RunResult result =
        RunProgram(words, {{"MOORING_SERVER", endpoints.value("enrollment", "")},
                           {"MOORING_TOKEN", token},
                           {"MOORING_CA", second_dir() + "/ca.pem"},
                           {"MOORING_CONFIG", d_.path() + "/mooring-second.yaml"}});
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    return Json::parse(result.out, nullptr, false);
  }

  // A workstation whose invitation and address are of the second server.
  void EnrollAtSecond(const std::string& agent) {
    const Json invite = AtSecond({"agent", "invite", "create", "--uses", "1"});
    const RunResult enrolled =
        RunProgram({Deployment::Binary("mooring-agent"), "enroll", "--invite",
                    invite.value("token", ""), "--state-dir", d_.agent_dir(agent)});
    EXPECT_EQ(enrolled.exit_code, 0) << enrolled.out << enrolled.err;
  }

  // The address that the running agent uses.
  std::string ServerOf(const std::string& agent) {
    const RunResult result = d_.Agent(agent, {"status", "-o", "json"});
    const Json status = Json::parse(result.out, nullptr, false);
    return status.value("connected", false) ? status.value("server", "") : "";
  }
  static std::string AgentsAddress(const std::string& dir) {
    return Json::parse(ReadText(dir + "/endpoints.json")).value("agents", "");
  }

  // Only the test begins backups there.
  void Quiet(const std::string& agent) {
    const std::string path = d_.agent_dir(agent) + "/agent.yaml";
    std::string text = ReadText(path);
    const std::string key = "backup_on_attach: true";
    const std::size_t at = text.find(key);
    ASSERT_NE(at, std::string::npos) << text;
    std::ofstream(path, std::ios::trunc) << text.replace(at, key.size(), "backup_on_attach: false");
  }

  // Assigns at the first server, and waits until the workstation has heard of it.
  void AssignAt(const std::string& agent, const std::string& serial, const std::string& handle) {
    d_.Assign(serial, handle);
    EXPECT_TRUE(Eventually([&] {
      const RunResult result = d_.Agent(agent, {"devices", "-o", "json"});
      const Json list = Json::parse(result.out, nullptr, false);
      if (list.is_discarded()) return false;
      for (const Json& device : list["devices"]) {
        if (device["facts"].value("serial", "") == serial) {
          return device.value("person", "") == handle;
        }
      }
      return false;
    })) << serial
        << " is not known to be of " << handle;
  }

  // What a list of agents says of who is where, without when.
  static std::string Picture(const Json& list) {
    std::string text;
    for (const Json& agent : list["agents"]) {
      text += agent.value("id", "") + (agent.value("online", false) ? " online" : " offline") +
              agent.value("attached", Json::array()).dump() + "\n";
    }
    return text;
  }

  std::uint64_t WireBytes() {
    return androids_.State(serial_).value("bytes_sent", std::uint64_t{0});
  }
  std::size_t Sessions() {
    return d_.MooringJson({"session", "list", "--device", serial_})["sessions"].size();
  }
  std::size_t Snapshots() {
    return d_.MooringJson({"snapshot", "list", "--device", serial_})["snapshots"].size();
  }

  std::unique_ptr<TestDatabase> database_ = MakeDatabase();
  TempDir storage_;
  Deployment d_{"",
                {"--database", database_ == nullptr ? "" : database_->url(), "--repository",
                 storage_.path()}};
  AndroidPhones androids_{
      d_,
      "usb",
      {"--phones", "1", "--seed", "83", "--files", "400", "--bytes", "160M", "--big-file", "30M"}};
  std::unique_ptr<Background> second_;
  std::string serial_;
};

TEST_F(SeveralServersTest, ABackupGoesOnWithTheOtherServerWhenItsOwnIsKilled) {
  serial_ = androids_.Serials().at(0);
  EnrollAtSecond("desk-b");
  Quiet("desk-b");
  d_.StartAgent("desk-b", "usb");
  d_.AwaitDevice(serial_);
  EXPECT_TRUE(Eventually([&] { return ServerOf("desk-b") == AgentsAddress(second_dir()); }));
  // It has heard of the first server, too.
  EXPECT_THAT(ReadText(d_.agent_dir("desk-b") + "/servers"),
              HasSubstr(AgentsAddress(d_.server_dir())));

  // An iPhone through the first server.
  d_.Enroll("desk-a");
  Quiet("desk-a");
  d_.StartFarm("usb-a", {"--phones", "1", "--seed", "23"});
  d_.StartAgent("desk-a", "usb-a");
  const std::string iphone = d_.Phones("usb-a").at(0);
  d_.AwaitDevice(iphone);
  AssignAt("desk-a", iphone, "ada");
  const RunResult first = d_.Backup("desk-a", iphone);
  ASSERT_EQ(first.exit_code, 0) << first.out << first.err;

  // The Android phone through the second; what that costs when nothing disturbs it.
  const std::uint64_t before = WireBytes();
  AssignAt("desk-b", serial_, "bob");
  const RunResult undisturbed = d_.Backup("desk-b", serial_);
  ASSERT_EQ(undisturbed.exit_code, 0) << undisturbed.out << undisturbed.err;
  const std::uint64_t whole = WireBytes() - before;
  const std::size_t sessions = Sessions();
  ASSERT_EQ(Snapshots(), 1U);

  // Both servers say the same of both workstations.
  EXPECT_TRUE(Eventually([&] {
    return Picture(d_.MooringJson({"agent", "list"})) == Picture(AtSecond({"agent", "list"}));
  }));

  // Nothing is stored yet for its next owner. In the middle of that backup the
  // server dies.
  const std::uint64_t start = WireBytes();
  AssignAt("desk-b", serial_, "eve");
  Background backup({Deployment::Binary("mooring-agent"), "backup", "--device", serial_,
                     "--state-dir", d_.agent_dir("desk-b")},
                    d_.FarmEnvironment("usb"), d_.path() + "/backup.out",
                    d_.path() + "/backup.err");
  ASSERT_TRUE(Eventually([&] { return WireBytes() - start > whole * 2 / 5; }));
  second_->Signal(SIGKILL);
  second_->Wait(absl::Seconds(10));
  EXPECT_LT(WireBytes() - start, whole * 9 / 10) << "too late to be in the middle";
  EXPECT_EQ(backup.Wait(absl::Minutes(3)), 0) << ReadText(d_.path() + "/backup.err");

  // The same session: the phone was read once.
  EXPECT_LE(WireBytes() - start, whole + (2U << 20));
  EXPECT_EQ(Sessions(), sessions + 1);
  EXPECT_EQ(Snapshots(), 1U) << "one of its new owner";
  EXPECT_EQ(ServerOf("desk-b"), AgentsAddress(d_.server_dir()));
  const Json snapshot = d_.LatestSnapshot(serial_);
  const RunResult verified = d_.Mooring({"snapshot", "verify", snapshot.value("id", "")});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  EXPECT_TRUE(Eventually([&] { return ServersAlive() == 1; }));

  const std::string spare = androids_.ControlJson({"add", "empty"}).value("serial", "");
  d_.AwaitDevice(spare);
  const RunResult restored = d_.Restore(serial_, spare);
  EXPECT_EQ(restored.exit_code, 0) << restored.out << restored.err;
  EXPECT_EQ(androids_.Content(spare), androids_.Content(serial_));

  // It comes back, and sees what the other sees.
  StartSecond();
  EXPECT_TRUE(Eventually([&] { return ServersAlive() == 2; }));
  EXPECT_TRUE(Eventually([&] {
    return Picture(AtSecond({"agent", "list"})) == Picture(d_.MooringJson({"agent", "list"}));
  }));

  // Each job ran once, at one of them.
  const std::string logs = ReadText(d_.path() + "/mooringd.log") + ReadText(second_log());
  EXPECT_EQ(Count(logs, "\"repository.prune\""), 1) << logs;
  EXPECT_EQ(Count(logs, "\"catalog.export\""), 1) << logs;
}

}  // namespace
}  // namespace mooring::testing
