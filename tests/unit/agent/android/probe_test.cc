#include "agent/android/probe.h"

#include <gtest/gtest.h>

#include "agent/device/cause.h"
#include "tests/support/canned_adb_device.h"

namespace mooring::agent {
namespace {

using ::mooring::testing::CannedAdbDevice;

constexpr char kSerial[] = "R58M123ABC";

class ProbeTest : public ::testing::Test {
 protected:
  ProbeTest() {
    device_.Say("getprop", {"[ro.product.manufacturer]: [samsung]\n[ro.product.model]: [SM-G991B]\n"
                            "[ro.build.version.release]: [14]\n[ro.build.version.sdk]: [34]\n"
                            "[ro.crypto.state]: [encrypted]\n[sys.user.0.ce_available]: [true]\n",
                            0, ""});
    device_.Say("settings get secure android_id", {"a1b2c3d4e5f60718\n", 0, ""});
    device_.Say("settings get global device_name", {"Iris\x1b's phone\n", 0, ""});
    device_.Say("dumpsys battery", {"  level: 64\n  scale: 100\n", 0, ""});
    device_.Say("dumpsys device_policy", {"Current Device Policy Manager state:\n", 0, ""});
    device_.Say("dumpsys trust", {" deviceLocked=0\n", 0, ""});
    device_.Say("df -k", {"/dev/fuse 1000 400 600 40% /storage/emulated\n", 0, ""});
    device_.Say("ls ", {"", 0, ""});
    device_.Say("ls /storage/", {"emulated\nself\n12AB-34CD\n", 0, ""});
    device_.Say("ls '/sdcard/Android/data/'", {"", 1, "ls: Permission denied\n"});
    device_.Say("content query", {"No result found.\n", 0, ""});
    device_.Say("content query --uri content://call_log",
                {"Error while accessing provider:call_log\njava.lang.SecurityException: Permission "
                 "Denial\n",
                 0, ""});
    device_.Say("content query --uri content://mms",
                {"", 1, "[ERROR] Could not find provider: mms\n"});
    device_.Say("pm list packages", {"", 0, ""});
    device_.Say(
        "pm list users",
        {"Users:\n\tUserInfo{0:Iris:c13} running\n\tUserInfo{10:Work:1030} running\n", 0, ""});
  }

  v1::Capability Find(const ProbeResult& result, std::string_view name) {
    for (const v1::Capability& capability : result.facts.capabilities()) {
      if (capability.name() == name) return capability;
    }
    ADD_FAILURE() << "no " << name;
    return {};
  }

  CannedAdbDevice device_;
};

TEST_F(ProbeTest, TellsFactsAndWhatCanBeReached) {
  const auto result = ProbeAndroid({}, device_, kSerial);
  ASSERT_TRUE(result.ok()) << result.status();
  const v1::DeviceFacts& facts = result->facts;
  EXPECT_EQ(facts.platform(), v1::PLATFORM_ANDROID);
  EXPECT_EQ(facts.serial(), kSerial);
  EXPECT_EQ(facts.model(), "SM-G991B");
  EXPECT_EQ(facts.name(), "Iris's phone");
  EXPECT_EQ(facts.os_version(), "14");
  EXPECT_EQ(facts.sdk(), 34U);
  EXPECT_EQ(facts.battery_percent(), 64);
  EXPECT_EQ(facts.capacity_bytes(), 1000U * 1024U);
  EXPECT_EQ(facts.platform_id().size(), 16U);
  EXPECT_TRUE(facts.trusted());
  EXPECT_FALSE(facts.locked());
  EXPECT_EQ(result->waiting_for, v1::WAITING_FOR_UNSPECIFIED);

  EXPECT_EQ(Find(*result, "contacts").state(), v1::CAPABILITY_STATE_AVAILABLE);
  EXPECT_EQ(Find(*result, "call-log").state(), v1::CAPABILITY_STATE_REFUSED);
  EXPECT_EQ(Find(*result, "mms").state(), v1::CAPABILITY_STATE_ABSENT);
  EXPECT_EQ(Find(*result, "storage").state(), v1::CAPABILITY_STATE_AVAILABLE);
  EXPECT_EQ(Find(*result, "android-data").state(), v1::CAPABILITY_STATE_REFUSED);
  EXPECT_EQ(Find(*result, "sd-card").state(), v1::CAPABILITY_STATE_AVAILABLE);
  EXPECT_EQ(Find(*result, "work-profile").state(), v1::CAPABILITY_STATE_OUT_OF_REACH);
  EXPECT_EQ(Find(*result, "other-users").state(), v1::CAPABILITY_STATE_ABSENT);
  EXPECT_EQ(Find(*result, "device-management").state(), v1::CAPABILITY_STATE_ABSENT);
  EXPECT_EQ(Find(*result, "app-data").state(), v1::CAPABILITY_STATE_OUT_OF_REACH);
  for (const v1::Capability& capability : facts.capabilities()) {
    if (capability.state() == v1::CAPABILITY_STATE_AVAILABLE ||
        capability.state() == v1::CAPABILITY_STATE_ABSENT) {
      continue;
    }
    EXPECT_FALSE(capability.reason().empty()) << capability.name();
    EXPECT_FALSE(capability.next_step().empty()) << capability.name();
  }
}

TEST_F(ProbeTest, NoContentIsAskedFor) {
  ASSERT_TRUE(ProbeAndroid({}, device_, kSerial).ok());
  std::size_t queries = 0;
  std::string_view rest = device_.commands();
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    if (!line.starts_with("content ")) continue;
    ++queries;
    EXPECT_NE(line.find("--where '_id=-1'"), std::string::npos) << line;
  }
  EXPECT_EQ(queries, 5U);
}

TEST_F(ProbeTest, APhoneLockedSinceItsStartWaitsForItsOwner) {
  device_.Say("getprop", {"[sys.user.0.ce_available]: [false]\n", 0, ""});
  const auto result = ProbeAndroid({}, device_, kSerial);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->facts.locked());
  EXPECT_EQ(result->waiting_for, v1::WAITING_FOR_UNLOCK);
  EXPECT_EQ(Find(*result, "contacts").state(), v1::CAPABILITY_STATE_REFUSED);
  EXPECT_EQ(device_.commands().find("content query"), std::string::npos);
}

TEST_F(ProbeTest, ALockedScreenIsAFactAndNoObstacle) {
  device_.Say("dumpsys trust", {" User \"I\" (id=0, flags=0x13): deviceLocked=1,\n", 0, ""});
  const auto result = ProbeAndroid({}, device_, kSerial);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->facts.locked());
  EXPECT_EQ(result->waiting_for, v1::WAITING_FOR_UNSPECIFIED);
  EXPECT_EQ(Find(*result, "contacts").state(), v1::CAPABILITY_STATE_AVAILABLE);
}

TEST_F(ProbeTest, APhoneThatTheCompanyManagesSaysSo) {
  device_.Say("dumpsys device_policy", {"  Device Owner: \n    admin=x\n", 0, ""});
  const auto result = ProbeAndroid({}, device_, kSerial);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(Find(*result, "device-management").state(), v1::CAPABILITY_STATE_AVAILABLE);
}

TEST_F(ProbeTest, APhoneThatKnowsNothingIsAnsweredFor) {
  CannedAdbDevice bare;  // Every command is unknown to it.
  const auto result = ProbeAndroid({}, bare, kSerial);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->facts.battery_percent(), -1);
  EXPECT_EQ(Find(*result, "contacts").state(), v1::CAPABILITY_STATE_REFUSED);
}

TEST_F(ProbeTest, APhoneThatAnswersWithoutEndIsCutOff) {
  device_.Say("content query", {std::string(100'000, 'x'), 0, ""});
  const auto result = ProbeAndroid({}, device_, kSerial);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(Find(*result, "contacts").state(), v1::CAPABILITY_STATE_REFUSED);
  device_.Say("getprop", {std::string(2'000'000, 'x'), 0, ""});
  EXPECT_FALSE(ProbeAndroid({}, device_, kSerial).ok());
}

TEST_F(ProbeTest, AnUnplugIsNoRefusal) {
  device_.Unplug();
  EXPECT_EQ(CauseOf(ProbeAndroid({}, device_, kSerial).status()), v1::CAUSE_UNPLUGGED);
}

TEST_F(ProbeTest, AnAndroidThatIsTooOldSaysSo) {
  device_.features_to_change().erase("shell_v2");
  const auto result = ProbeAndroid({}, device_, kSerial);
  ASSERT_TRUE(result.ok());
  EXPECT_NE(result->message.find("too old"), std::string::npos);
  EXPECT_EQ(device_.commands(), "");
}

TEST_F(ProbeTest, APhoneThatCannotBeUsedSaysWhy) {
  const ProbeResult result = ProbeUnusable(kSerial, PhoneState::kDebuggingOff);
  EXPECT_EQ(result.waiting_for, v1::WAITING_FOR_USB_DEBUGGING);
  EXPECT_FALSE(result.facts.trusted());
  EXPECT_EQ(Find(result, "usb-debugging").state(), v1::CAPABILITY_STATE_REFUSED);
  EXPECT_NE(Find(result, "usb-debugging").next_step().find("Build number"), std::string::npos);
}

}  // namespace
}  // namespace mooring::agent
