#include "agent/android/adb_server.h"

#include <stop_token>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/android/phone_identity.h"
#include "agent/android/probe.h"
#include "agent/device/cause.h"
#include "tests/support/fake_usb_bus.h"
#include "tests/support/scripted_adb_server.h"

namespace mooring::agent {
namespace {

using ::mooring::testing::FakeUsbBus;
using ::mooring::testing::ScriptedAdbServer;
using ::testing::ElementsAre;

class AdbServerTest : public ::testing::Test {
 protected:
  SystemClock clock_;
  ScriptedAdbServer scripted_;
  AdbServer server_{
      clock_, scripted_.address(), {.answer = absl::Seconds(10), .silence = absl::Seconds(10)}};
};

TEST_F(AdbServerTest, AsksTheServerAboutItself) {
  EXPECT_EQ(*server_.Version({}), 41);
  EXPECT_TRUE(server_.HostFeatures({})->contains("shell_v2"));
  EXPECT_FALSE(*server_.EnsureRunning({})) << "one listens already";
  scripted_.SetList("R58M123ABC device transport_id:7\n");
  const auto devices = server_.Devices({});
  ASSERT_EQ(devices->size(), 1U);
  EXPECT_EQ(devices->front().transport_id, 7U);
}

TEST_F(AdbServerTest, APhoneCanDoWhatBothSidesCan) {
  const auto device = server_.Open({}, 7);
  ASSERT_TRUE(device.ok());
  EXPECT_THAT((*device)->features(), ElementsAre("ls_v2", "shell_v2", "stat_v2"));
}

TEST_F(AdbServerTest, RefusalsSayWhatTheyMean) {
  scripted_.Answer("host-transport-id:1:features",
                   ScriptedAdbServer::Fail("device unauthorized.\nThis adb server's ..."));
  const absl::Status unauthorized = server_.Features({}, 1).status();
  EXPECT_EQ(CauseOf(unauthorized), v1::CAUSE_TRUST_PENDING);
  EXPECT_THAT(NextStepOf(unauthorized), ::testing::HasSubstr("Allow"));
  scripted_.Answer("host-transport-id:2:features",
                   ScriptedAdbServer::Fail("no device with transport id '2'"));
  EXPECT_EQ(CauseOf(server_.Features({}, 2).status()), v1::CAUSE_UNPLUGGED);
  scripted_.Answer("host:version", ScriptedAdbServer::Fail("unknown host service"));
  EXPECT_TRUE(absl::IsUnimplemented(server_.Version({}).status()));
}

TEST_F(AdbServerTest, AnswersThatAreNoneAreRefused) {
  for (const std::string& bad : {std::string("WHAT0000"), std::string("OKAYzzzz"),
                                 std::string("OKAY0002xy"), std::string("OKAY0000")}) {
    scripted_.Answer("host:version", bad);
    EXPECT_EQ(CauseOf(server_.Version({}).status()), v1::CAUSE_PROTOCOL_ERROR) << bad;
  }
  scripted_.Answer("host:version", "OKAY00");
  EXPECT_EQ(CauseOf(server_.Version({}).status()), v1::CAUSE_UNPLUGGED);
}

TEST_F(AdbServerTest, NoServerIsSaidWithoutBlamingAPhone) {
  AdbAddress nobody = scripted_.address();
  nobody.port = 1;
  AdbServer server(clock_, nobody);
  const absl::Status status = server.Version({}).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_FALSE(DetailOf(status).has_value());
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("tcp:1"));
}

TEST_F(AdbServerTest, TheTrackerTellsEveryList) {
  scripted_.SetList("a device transport_id:1\n");
  const auto tracker = server_.Track({});
  ASSERT_TRUE(tracker.ok());
  EXPECT_EQ((*tracker)->Next({})->size(), 1U);
  OpContext soon;
  soon.deadline = clock_.Now();
  EXPECT_TRUE(absl::IsDeadlineExceeded((*tracker)->Next(soon).status()));
  scripted_.SetList("");
  EXPECT_EQ((*tracker)->Next({})->size(), 0U);
  scripted_.DropTrackers();
  EXPECT_TRUE(absl::IsUnavailable((*tracker)->Next({}).status()));
}

TEST_F(AdbServerTest, AWaitEndsWhenItIsCalledOff) {
  const auto tracker = server_.Track({});
  ASSERT_TRUE((*tracker)->Next({}).ok());
  std::stop_source stop;
  OpContext ctx;
  ctx.stop = stop.get_token();
  const std::jthread caller([&stop] { stop.request_stop(); });
  EXPECT_TRUE(absl::IsCancelled((*tracker)->Next(ctx).status()));
}

TEST_F(AdbServerTest, APhoneThatIsSilentIsGivenUp) {
  AdbServer impatient(clock_, scripted_.address(),
                      {.answer = absl::Seconds(10), .silence = absl::Milliseconds(200)});
  const auto tracker = server_.Track({});  // A service that stays open and says nothing.
  ASSERT_TRUE((*tracker)->Next({}).ok());
  const auto stream = impatient.OpenService({}, 7, "host:track-devices-l");
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_TRUE(ReadAdbText({}, **stream).ok());
  std::array<std::byte, 1> byte{};
  EXPECT_EQ(CauseOf((*stream)->Read({}, byte)), v1::CAUSE_PHONE_STALLED);
}

TEST_F(AdbServerTest, FindsThePhoneByItsOwnSerial) {
  FakeUsbBus usb;
  scripted_.SetList(
      "127.0.0.1:40001 device transport_id:1\n127.0.0.1:40002 device transport_id:2\n"
      "OFFLINE01 offline transport_id:3\n");
  scripted_.AnswerShell(1, "getprop ro.serialno", "PHONE-ONE\n");
  scripted_.AnswerShell(2, "getprop ro.serialno", "PHONE-TWO\n");
  const auto two = FindAndroid({}, server_, usb, "PHONE-TWO");
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ(two->state, PhoneState::kUsable);
  ASSERT_NE(two->device, nullptr);
  EXPECT_EQ(FindAndroid({}, server_, usb, "OFFLINE01")->state, PhoneState::kOffline);
  EXPECT_EQ(CauseOf(FindAndroid({}, server_, usb, "PHONE-SIX").status()), v1::CAUSE_UNPLUGGED);
  usb.Set({testing::UsbPhoneAt("1-1", "PHONE-SIX")});
  EXPECT_EQ(FindAndroid({}, server_, usb, "PHONE-SIX")->state, PhoneState::kDebuggingOff);
  scripted_.AnswerShell(1, "getprop ro.serialno", "PHONE-TWO\n");
  const absl::Status twins = FindAndroid({}, server_, usb, "PHONE-TWO").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(twins)) << "which of them would be a guess";
}

TEST_F(AdbServerTest, PhonesWithASharedSerialAreToldApart) {
  scripted_.AnswerShell(1, "getprop ro.serialno", "0123456789ABCDEF\n");
  scripted_.AnswerShell(1, "settings get secure android_id", "1111222233334444\n");
  scripted_.AnswerShell(2, "getprop ro.serialno", "0123456789ABCDEF\n");
  scripted_.AnswerShell(2, "settings get secure android_id", "5555666677778888\n");
  const auto one = IdentifyPhone({}, **server_.Open({}, 1));
  const auto two = IdentifyPhone({}, **server_.Open({}, 2));
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_NE(*one, *two);
  scripted_.AnswerShell(3, "getprop ro.serialno", "\n");
  scripted_.AnswerShell(3, "settings get secure android_id", "null\n");
  EXPECT_TRUE(absl::IsFailedPrecondition(IdentifyPhone({}, **server_.Open({}, 3)).status()));
}

TEST_F(AdbServerTest, WithoutAServerAPhoneIsUnpluggedNotMooringUnreachable) {
  AdbAddress nobody = scripted_.address();
  nobody.port = 1;
  AdbServer server(clock_, nobody);
  FakeUsbBus usb;
  EXPECT_EQ(CauseOf(FindAndroid({}, server, usb, "PHONE-ONE").status()), v1::CAUSE_UNPLUGGED);
  usb.Set({testing::UsbPhoneAt("1-1", "PHONE-ONE", true)});
  EXPECT_EQ(FindAndroid({}, server, usb, "PHONE-ONE")->state, PhoneState::kNoAdb);
}

}  // namespace
}  // namespace mooring::agent
