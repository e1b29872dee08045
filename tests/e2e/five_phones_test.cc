// Three Android phones and two iPhones at one desk, each of another person, all
// in a session at the same moment; all come back as they were.

#include <map>
#include <set>

#include <gmock/gmock.h>

#include "tests/e2e/android_phones.h"

namespace mooring::testing {
namespace {

using ::testing::ContainsRegex;

class FivePhonesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    androids_ = phones_.Serials();
    ASSERT_EQ(androids_.size(), 3U);
    // The cable of each goes in the middle of its files and stays out.
    for (const std::string& serial : androids_) {
      phones_.ControlJson({"fault", serial, "unplug", "after=3000000"});
    }
    d_.Enroll("desk");
    // Their owners type the passcode when the test says so.
    d_.StartFarm("usb", {"--phones", "2", "--seed", "61", "--passcode", "wait"});
    iphones_ = d_.Phones("usb");
    ASSERT_EQ(iphones_.size(), 2U);
    d_.StartAgent("desk", "usb");
  }

  std::vector<std::string> All() const {
    std::vector<std::string> all = androids_;
    all.insert(all.end(), iphones_.begin(), iphones_.end());
    return all;
  }

  void StartBackups() {
    for (const std::string& serial : All()) {
      d_.AwaitDevice(serial);
      d_.Assign(serial, "owner-of-" + serial);
      backups_[serial] = std::make_unique<Background>(
          std::vector<std::string>{Deployment::Binary("mooring-agent"), "backup", "--device",
                                   serial, "--state-dir", d_.agent_dir("desk")},
          d_.FarmEnvironment("usb"), d_.path() + "/" + serial + ".out",
          d_.path() + "/" + serial + ".err");
    }
  }

  // Serial and what it waits for, of the sessions that one `session list` shows open.
  std::map<std::string, std::string> OpenSessions() {
    std::map<std::string, std::string> open;
    const Json list = d_.MooringJson({"session", "list"});
    for (const Json& session : list["sessions"]) {
      if (session.value("state", "") != "SESSION_STATE_OPEN") continue;
      const Json progress = session.value("progress", Json::object());
      open[session.value("serial", "")] = progress.value("waiting_for", "");
    }
    return open;
  }

  void ExpectVerified(const std::string& serial) {
    const std::string snapshot = d_.LatestSnapshot(serial).value("id", "");
    const RunResult verified = d_.Mooring({"snapshot", "verify", snapshot});
    EXPECT_EQ(verified.exit_code, 0) << serial << verified.out << verified.err;
  }

  Deployment d_;
  AndroidPhones phones_{d_, "usb", {"--phones", "3", "--empty-phones", "0", "--seed", "71"}};
  std::vector<std::string> androids_;
  std::vector<std::string> iphones_;
  std::map<std::string, std::unique_ptr<Background>> backups_;
};

TEST_F(FivePhonesTest, AreBackedUpAtTheSameMomentAndComeBackAsTheyWere) {
  StartBackups();
  std::map<std::string, std::string> expected;
  for (const std::string& serial : androids_) expected[serial] = "WAITING_FOR_PHONE";
  for (const std::string& udid : iphones_) expected[udid] = "WAITING_FOR_PASSCODE";
  std::map<std::string, std::string> open;
  EXPECT_TRUE(Eventually([&] { return (open = OpenSessions()) == expected; }))
      << "not all five sessions were open at once; " << open.size() << " are";
  const std::string shown = d_.Agent("desk", {"devices"}).out;
  for (const std::string& serial : androids_) {
    EXPECT_THAT(shown, ContainsRegex(serial + ".*owner-of-.*unplugged: plug it in again to go on "
                                              "\\(session [0-9a-f]{12}\\)"));
  }
  std::set<std::string> people;
  const Json devices = d_.MooringJson({"device", "list"});
  for (const Json& device : devices["devices"]) people.insert(device.value("person_handle", ""));
  EXPECT_EQ(people.size(), 5U) << devices.dump(1);
  EXPECT_EQ(people.count(""), 0U);

  for (const std::string& serial : androids_) phones_.ControlJson({"attach", serial});
  for (const std::string& udid : iphones_) d_.FarmJson("usb", {"passcode", udid});
  for (const auto& [serial, backup] : backups_) {
    EXPECT_EQ(backup->Wait(absl::Seconds(180)), 0) << ReadText(d_.path() + "/" + serial + ".out")
                                                   << ReadText(d_.path() + "/" + serial + ".err");
    ExpectVerified(serial);
  }
  EXPECT_TRUE(OpenSessions().empty());
  EXPECT_EQ(d_.Agent("desk", {"devices"}).out.find("unplugged"), std::string::npos);

  for (const std::string& serial : androids_) {
    SCOPED_TRACE(serial);
    const std::string spare = phones_.ControlJson({"add", "empty"}).value("serial", "");
    d_.AwaitDevice(spare);
    const RunResult restored = d_.Restore(serial, spare);
    EXPECT_TRUE(restored.exit_code == 0 || restored.exit_code == 3) << restored.out << restored.err;
    const std::string content = phones_.Content(serial);
    EXPECT_FALSE(content.empty());
    EXPECT_EQ(phones_.Content(spare), content);
  }
  for (const std::string& udid : iphones_) {
    SCOPED_TRACE(udid);
    const std::string spare = d_.AddPhone("usb", {"empty"});
    const RunResult restored = d_.Restore(udid, spare);
    EXPECT_EQ(restored.exit_code, 0) << restored.out << restored.err;
    EXPECT_EQ(d_.Content("usb", spare), d_.Content("usb", udid));
  }
  EXPECT_EQ(phones_.Violations(), "");
  EXPECT_EQ(d_.Violations("usb"), "");
}

}  // namespace
}  // namespace mooring::testing
