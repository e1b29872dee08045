#include "agent/android/adb_list.h"

#include <gtest/gtest.h>

#include "agent/android/adb_address.h"
#include "agent/android/phone_state.h"
#include "agent/device/cause.h"

namespace mooring::agent {
namespace {

std::vector<AdbListed> Parse(std::string_view text) {
  const auto list = ParseAdbList(text);
  EXPECT_TRUE(list.ok());
  return *list;
}

TEST(AdbListTest, ReadsPhonesAsTheServerPrintsThem) {
  const auto list = Parse(
      "R58M123ABC             device usb:1-2 product:o1s model:SM_G991B device:o1s "
      "transport_id:3\n"
      "127.0.0.1:40001        unauthorized transport_id:12\n"
      "emulator-5554          offline transport_id:1\n");
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0], (AdbListed{"R58M123ABC", AdbState::kDevice, "1-2", "SM_G991B", 3}));
  EXPECT_EQ(list[1], (AdbListed{"127.0.0.1:40001", AdbState::kUnauthorized, "", "", 12}));
  EXPECT_EQ(list[2].state, AdbState::kOffline);
}

TEST(AdbListTest, ReadsTheStateThatHasSpaces) {
  const auto list = Parse(
      "R58M123ABC             no permissions (user in plugdev group; are your udev rules wrong?); "
      "see [http://developer.android.com/tools/device.html] usb:3-1 transport_id:4\n"
      "(no serial number)     no permissions; see [x] usb:3-2 transport_id:5\n"
      "????????????           no permissions usb:3-3\n");
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0], (AdbListed{"R58M123ABC", AdbState::kNoPermissions, "3-1", "", 4}));
  EXPECT_EQ(list[1], (AdbListed{"", AdbState::kNoPermissions, "3-2", "", 5}));
  EXPECT_EQ(list[2], (AdbListed{"", AdbState::kNoPermissions, "3-3", "", 0}));
}

TEST(AdbListTest, LeavesOutWhatMakesNoSense) {
  EXPECT_TRUE(Parse("").empty());
  EXPECT_TRUE(Parse("\n\n").empty());
  EXPECT_TRUE(Parse("nothing-else\n").empty());
  EXPECT_TRUE(Parse("a\x01"
                    "b device transport_id:1\n")
                  .empty());
  EXPECT_TRUE(Parse("abc device transport_id:99999999999999999999999\n").empty());
  EXPECT_TRUE(Parse(std::string(300, 'a') + " device\n").empty());
  EXPECT_EQ(Parse("abc something-new transport_id:1\n")[0].state, AdbState::kOther);
  EXPECT_FALSE(ParseAdbList(std::string(kAdbListBytesMax + 1, '\n')).ok());
}

TEST(PhoneStateTest, EveryStateSaysWhatToDo) {
  for (const PhoneState state :
       {PhoneState::kUnauthorized, PhoneState::kAuthorizing, PhoneState::kOffline,
        PhoneState::kNoPermissions, PhoneState::kNotStarted, PhoneState::kDebuggingOff,
        PhoneState::kNoAdb}) {
    const StateWords words = WordsOf(state);
    EXPECT_FALSE(words.message.empty());
    EXPECT_FALSE(words.next_step.empty());
    EXPECT_NE(words.waiting_for, v1::WAITING_FOR_UNSPECIFIED);
    const absl::Status failure = UnusableFailure(state);
    EXPECT_EQ(CauseOf(failure), words.cause);
    EXPECT_EQ(NextStepOf(failure), words.next_step);
  }
  EXPECT_NE(WordsOf(PhoneState::kUnauthorized).next_step.find("Allow"), std::string::npos);
  EXPECT_NE(WordsOf(PhoneState::kNoPermissions).next_step.find("udev"), std::string::npos);
  EXPECT_NE(WordsOf(PhoneState::kDebuggingOff).next_step.find("device management"),
            std::string::npos);
  EXPECT_EQ(PhoneStateOf(AdbState::kBootloader), PhoneState::kNotStarted);
  EXPECT_EQ(PhoneStateOf(AdbState::kOther), PhoneState::kOffline);
}

absl::StatusOr<AdbAddress> AddressOf(const char* socket, const char* port) {
  return AdbAddressOf([&](const char* name) {
    return std::string_view(name) == "ADB_SERVER_SOCKET" ? socket : port;
  });
}

TEST(AdbAddressTest, FollowsTheSwitchesOfAdb) {
  EXPECT_EQ(AddressOf(nullptr, nullptr)->ToSocketSpec(), "tcp:5037");
  EXPECT_EQ(AddressOf(nullptr, "6001")->port, 6001);
  EXPECT_EQ(AddressOf("tcp:6002", "6001")->port, 6002);
  const auto remote = AddressOf("tcp:adb.example:6003", nullptr);
  EXPECT_EQ(remote->host, "adb.example");
  EXPECT_EQ(remote->ToSocketSpec(), "tcp:adb.example:6003");
  EXPECT_FALSE(remote->is_local());
  EXPECT_EQ(AddressOf("tcp:[::1]:6004", nullptr)->host, "::1");
  EXPECT_TRUE(AddressOf("localfilesystem:/run/adb", nullptr)->is_local());
  EXPECT_EQ(AddressOf("localfilesystem:/run/adb", nullptr)->ToSocketSpec(),
            "localfilesystem:/run/adb");
  EXPECT_EQ(AddressOf("localabstract:adb", nullptr)->local_path, std::string("\0adb", 4));
}

TEST(AdbAddressTest, NamesTheVariableThatIsWrong) {
  for (const char* bad : {"", "5037", "tcp:", "tcp:0", "tcp:x:y", "tcp::1", "udp:1", "tcp:70000",
                          "localfilesystem:"}) {
    const auto address = AddressOf(bad, nullptr);
    ASSERT_FALSE(address.ok()) << bad;
    EXPECT_NE(address.status().message().find("ADB_SERVER_SOCKET"), std::string::npos);
  }
  EXPECT_NE(AddressOf(nullptr, "no").status().message().find("ANDROID_ADB_SERVER_PORT"),
            std::string::npos);
}

}  // namespace
}  // namespace mooring::agent
