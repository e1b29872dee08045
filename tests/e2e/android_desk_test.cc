// An Android phone at a desk: from "tap Allow" to "switch USB debugging off
// again", with the shipped programs and the genuine adb server.

#include <fstream>

#include <gmock/gmock.h>

#include "tests/e2e/android_phones.h"

namespace mooring::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The only phone as `mooring-agent devices` has it; null if there is none.
Json Attached(Deployment& d) {
  const RunResult result = d.Agent("desk", {"devices", "-o", "json"});
  const Json list = Json::parse(result.out, nullptr, false);
  if (!list.is_object() || list.value("devices", Json::array()).size() != 1) return nullptr;
  return list["devices"][0];
}

std::string StateOf(const Json& facts, const std::string& name) {
  for (const Json& capability : facts.value("capabilities", Json::array())) {
    if (capability.value("name", "") == name) return capability.value("state", "");
  }
  return "none";
}

TEST(AndroidDeskTest, FromTapAllowToSwitchItOffAgain) {
  Deployment d;
  AndroidPhones phones(d, "usb", {"--auth", "ask", "--work-profile", "--android", "10"});
  d.Enroll("desk");
  d.StartAgent("desk", "usb");

  ASSERT_TRUE(Eventually([&] {
    const Json phone = Attached(d);
    return phone.is_object() && phone.value("waiting_for", "") == "WAITING_FOR_TRUST";
  }));
  EXPECT_THAT(d.Agent("desk", {"devices"}).out, HasSubstr("tap Allow"));
  EXPECT_EQ(d.MooringJson({"device", "list"}).value("devices", Json::array()).size(), 0U)
      << "the server hears of a phone once it is known which one it is";

  ASSERT_EQ(phones.Control({"authorize", "0"}).exit_code, 0);
  const std::string serial = phones.Serials().at(0);
  d.AwaitDevice(serial);
  EXPECT_TRUE(Eventually([&] {
    return d.Mooring({"device", "get", serial}).out.find("work-profile") != std::string::npos;
  }));
  const Json facts = d.MooringJson({"device", "get", serial}).value("facts", Json::object());
  EXPECT_EQ(StateOf(facts, "work-profile"), "CAPABILITY_STATE_OUT_OF_REACH");
  EXPECT_EQ(StateOf(facts, "call-log"), "CAPABILITY_STATE_REFUSED");
  EXPECT_EQ(StateOf(facts, "contacts"), "CAPABILITY_STATE_AVAILABLE");
  EXPECT_EQ(facts.value("sdk", 0), 29);

  const std::string policy = d.path() + "/policy.yaml";
  std::ofstream(policy) << "group: default\nrpo: 7d\nandroid:\n  remind_debugging_off: true\n";
  EXPECT_EQ(d.Mooring({"policy", "apply", "-f", policy}).exit_code, 0);
  d.Assign(serial, "alice");
  const RunResult backup = d.Backup("desk", serial);
  EXPECT_EQ(backup.exit_code, 3) << "partial: the call log\n" << backup.out << backup.err;
  EXPECT_THAT(backup.out, HasSubstr("Safe to unplug.\nYou can switch USB debugging off again"));
  EXPECT_THAT(d.Agent("desk", {"doctor"}).out, HasSubstr("adb server"));

  ASSERT_EQ(phones.Control({"detach", "0"}).exit_code, 0);
  EXPECT_TRUE(Eventually(
      [&] { return d.Agent("desk", {"devices"}).out.find(serial) == std::string::npos; }));
  d.StopAgent("desk");
  EXPECT_THAT(ReadText(d.path() + "/agent-desk.log"), Not(HasSubstr("warning")));
}

}  // namespace
}  // namespace mooring::testing
