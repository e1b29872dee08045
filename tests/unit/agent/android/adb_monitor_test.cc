#include "agent/android/adb_monitor.h"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_usb_bus.h"
#include "tests/support/recording_listener.h"
#include "tests/support/scripted_adb_server.h"

namespace mooring::agent {
namespace {

using ::mooring::testing::FakeUsbBus;
using ::mooring::testing::RecordingListener;
using ::mooring::testing::ScriptedAdbServer;
using ::mooring::testing::UsbPhoneAt;
using ::testing::ElementsAre;

class AdbMonitorTest : public ::testing::Test {
 protected:
  AdbMonitorTest() {
    for (std::uint64_t id = 1; id <= 4; ++id) {
      scripted_->AnswerShell(id, "getprop ro.serialno", "PHONE-ONE\n");
    }
  }

  void Start(absl::Duration settle = absl::Milliseconds(50)) {
    monitor_.emplace(server_, usb_, clock_, listener_,
                     AdbMonitorPatience{.look_every = absl::Milliseconds(20),
                                        .settle = settle,
                                        .retry_min = absl::Milliseconds(10),
                                        .retry_max = absl::Milliseconds(50)});
  }
  // Returns once the monitor has heard of `list`, and of the same list again.
  void Tell(const std::string& list) {
    for (int i = 0; i < 2; ++i) {
      scripted_->SetList(list);
      while (scripted_->trackers() == 0) clock_.Sleep(absl::Milliseconds(5), {});
    }
  }

  SystemClock clock_;
  std::optional<ScriptedAdbServer> scripted_{std::in_place};
  AdbServer server_{clock_, scripted_->address()};
  FakeUsbBus usb_;
  RecordingListener listener_;
  std::optional<AdbMonitor> monitor_;  // Gone first.
};

TEST_F(AdbMonitorTest, TellsDifferencesAlone) {
  Start();
  Tell("PHONE-ONE unauthorized usb:1-1 transport_id:1\n");
  EXPECT_THAT(listener_.Await(1), ElementsAre("attached PHONE-ONE"));
  Tell("PHONE-ONE device usb:1-1 transport_id:1\n");
  EXPECT_THAT(listener_.Await(2), ElementsAre("attached PHONE-ONE", "changed PHONE-ONE"));
  Tell("");
  EXPECT_THAT(listener_.Await(3),
              ElementsAre("attached PHONE-ONE", "changed PHONE-ONE", "detached PHONE-ONE"));
}

TEST_F(AdbMonitorTest, APhoneOverTheNetworkIsKnownByItsOwnSerial) {
  Start();
  Tell("127.0.0.1:40001 unauthorized transport_id:1\n");
  EXPECT_THAT(listener_.Await(1), ElementsAre("attached provisionally 127.0.0.1:40001"));
  Tell("127.0.0.1:40001 device transport_id:1\n");
  EXPECT_THAT(listener_.Await(3), ElementsAre("attached provisionally 127.0.0.1:40001",
                                              "detached 127.0.0.1:40001", "attached PHONE-ONE"));
}

TEST_F(AdbMonitorTest, AShortDropIsNoNewsButANewConnectionIs) {
  Start(absl::Seconds(30));
  Tell("127.0.0.1:40001 device transport_id:1\n");
  Tell("127.0.0.1:40001 offline transport_id:1\n");
  EXPECT_THAT(listener_.Await(1), ElementsAre("attached PHONE-ONE"));
  Tell("127.0.0.1:40001 device transport_id:2\n");
  EXPECT_THAT(listener_.Await(3),
              ElementsAre("attached PHONE-ONE", "detached PHONE-ONE", "attached PHONE-ONE"));
}

TEST_F(AdbMonitorTest, APhoneThatStaysOfflineIsToldOf) {
  Start();
  Tell("PHONE-ONE device usb:1-1 transport_id:1\n");
  Tell("PHONE-ONE offline usb:1-1 transport_id:1\n");
  EXPECT_THAT(listener_.Await(2), ElementsAre("attached PHONE-ONE", "changed PHONE-ONE"));
}

TEST_F(AdbMonitorTest, AServerThatGoesAwayTakesItsPhonesAndComesBackWithThem) {
  Start();
  Tell("PHONE-ONE device usb:1-1 transport_id:1\n");
  scripted_->DropTrackers();
  EXPECT_THAT(listener_.Await(3),
              ElementsAre("attached PHONE-ONE", "detached PHONE-ONE", "attached PHONE-ONE"));
}

TEST_F(AdbMonitorTest, APhoneWithoutUsbDebuggingIsSeenOnUsb) {
  usb_.Set({UsbPhoneAt("1-4", "PHONE-OFF", false), UsbPhoneAt("1-1", "PHONE-ONE", true),
            UsbPhoneAt("1-5", "", false)});
  Start();
  Tell("PHONE-ONE device usb:1-1 transport_id:1\n");
  const auto events = listener_.Await(2);
  EXPECT_THAT(events, ::testing::UnorderedElementsAre("attached PHONE-ONE", "attached PHONE-OFF"));
  usb_.Set({});
  EXPECT_EQ(listener_.Await(3).back(), "detached PHONE-OFF");
}

TEST_F(AdbMonitorTest, OfTwoTwinsTheFirstStays) {
  Start();
  Tell("127.0.0.1:40001 device transport_id:1\n");
  Tell("127.0.0.1:40000 device transport_id:2\n127.0.0.1:40001 device transport_id:1\n");
  Tell("127.0.0.1:40001 device transport_id:1\n");
  EXPECT_THAT(listener_.Await(1), ElementsAre("attached PHONE-ONE"));
}

TEST_F(AdbMonitorTest, WithoutServerAndPhonesItIsSilent) {
  scripted_.reset();
  Start();
  usb_.Set({UsbPhoneAt("1-4", "PHONE-OFF", false)});
  EXPECT_THAT(listener_.Await(1), ElementsAre("attached PHONE-OFF"));
}

}  // namespace
}  // namespace mooring::agent
