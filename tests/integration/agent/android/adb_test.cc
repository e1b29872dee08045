// The client against the genuine adb server, and behind it simulated phones.

#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/android/adb_monitor.h"
#include "agent/android/phone_identity.h"
#include "agent/android/probe.h"
#include "agent/device/cause.h"
#include "storage/seal/digest.h"
#include "tests/phones/android/android_farm.h"
#include "tests/support/fake_usb_bus.h"
#include "tests/support/genuine_adb.h"
#include "tests/support/recording_listener.h"

namespace mooring::testing {
namespace {

using agent::AdbDevice;
using agent::AdbStat;
using agent::AdbSync;
using agent::CauseOf;
using agent::PhoneState;
using android::AndroidFarm;
using android::AndroidPhoneOptions;
using android::AuthMode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kStorage[] = "/storage/emulated/0";

class AdbTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(adb_.Start().ok());
    auto farm = AndroidFarm::Start({.temp_dir = adb_.home(), .adb_server_port = adb_.port()});
    ASSERT_TRUE(farm.ok()) << farm.status();
    farm_ = *std::move(farm);
    ctx_.deadline = clock_.Now() + absl::Minutes(2);
  }

  // A phone that the farm tells the server of, as a cable would.
  std::string Plug(std::uint64_t seed, AndroidPhoneOptions options = {}) {
    return farm_->AddPhone(seed, std::move(options));
  }
  // Once the server is through with shaking hands.
  std::unique_ptr<AdbDevice> Open(const std::string& serial) {
    for (int i = 0; i < 200; ++i) {
      auto found = agent::FindAndroid(ctx_, adb_.server(), usb_, serial);
      if (found.ok() && found->state == PhoneState::kUsable) return std::move(found->device);
      clock_.Sleep(absl::Milliseconds(50), {});
    }
    ADD_FAILURE() << "the server does not list the phone";
    return nullptr;
  }
  v1::Capability Capability(const v1::DeviceFacts& facts, const std::string& name) {
    for (const v1::Capability& capability : facts.capabilities()) {
      if (capability.name() == name) return capability;
    }
    ADD_FAILURE() << "no " << name;
    return {};
  }

  // Every file below `directory` by the digest of what is received.
  void Walk(AdbSync& sync, const std::string& directory, std::map<std::string, std::string>& out) {
    std::map<std::string, AdbStat> entries;
    const absl::Status listed =
        sync.List(ctx_, directory, [&](std::string_view name, const AdbStat& stat) {
          entries[std::string(name)] = stat;
          return absl::OkStatus();
        });
    ASSERT_TRUE(listed.ok()) << listed;
    for (const auto& [name, stat] : entries) {
      const std::string path = directory + "/" + name;
      if (stat.is_directory()) Walk(sync, path, out);
      if (!stat.is_regular()) continue;
      storage::Sha256Stream digest;
      const absl::Status received = sync.Receive(ctx_, path, [&](ByteView piece) {
        digest.Update(piece);
        return absl::OkStatus();
      });
      EXPECT_TRUE(received.ok()) << received;
      out[path] = ToHex(digest.Finish());
    }
  }

  SystemClock clock_;
  OpContext ctx_;
  FakeUsbBus usb_;
  GenuineAdb adb_{clock_};
  std::unique_ptr<AndroidFarm> farm_;
};

TEST_F(AdbTest, AServerIsStartedOnlyWhereNoneListens) {
  EXPECT_EQ(*adb_.server().Version(ctx_), 41);
  EXPECT_FALSE(*adb_.server().EnsureRunning(ctx_)) << "the fixture started it";
  EXPECT_TRUE(std::filesystem::exists(adb_.home() + "/.android/adbkey"))
      << "the key that phones are asked to allow is this user's";
  EXPECT_TRUE(adb_.server().HostFeatures(ctx_)->contains("shell_v2"));
}

TEST_F(AdbTest, EveryFileArrivesWhole) {
  const std::string serial = Plug(1, {.content = {.files = 60, .sd_card = "1A2B-3C4D"}});
  const auto device = Open(serial);
  ASSERT_NE(device, nullptr);
  const auto sync = device->Sync(ctx_);
  ASSERT_TRUE(sync.ok());
  std::map<std::string, std::string> received;
  Walk(**sync, kStorage, received);
  std::size_t compared = 0;
  const auto dumped = farm_->Dump(serial);
  ASSERT_TRUE(dumped.ok()) << dumped.status();
  for (const android::DumpedFile& file : *dumped) {
    if (file.kind != android::FileInfo::Kind::kFile || !file.path.starts_with("/sdcard/")) continue;
    const std::string path = kStorage + file.path.substr(7);
    if (path.find("/Android/data/") != std::string::npos ||
        path.find("/Android/obb/") != std::string::npos) {
      continue;
    }
    EXPECT_EQ(received[path], file.sha256) << path;
    ++compared;
  }
  EXPECT_GT(compared, 40U);
  EXPECT_THAT(farm_->Violations(serial), ::testing::IsEmpty());
}

TEST_F(AdbTest, AFileThatIsSentIsThereWithItsTime) {
  const std::string serial = Plug(2, {.content = {.empty = true}});
  const auto device = Open(serial);
  ASSERT_NE(device, nullptr);
  const auto sync = device->Sync(ctx_);
  ASSERT_TRUE(sync.ok());
  const std::string name = std::string(kStorage) + "/DCIM/a, 'b' \xf0\x9f\x98\x80.jpg";
  const std::string content(300'000, 'x');
  std::size_t at = 0;
  const absl::Status sent = (*sync)->Send(
      ctx_, name, {.mode = 0100660, .modified_unix_s = 1'600'000'000},
      [&](std::span<std::byte> out) -> absl::StatusOr<std::size_t> {
        const std::size_t count = std::min(out.size(), content.size() - at);
        std::copy_n(AsBytes(content).begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
        at += count;
        return count;
      });
  ASSERT_TRUE(sent.ok()) << sent;
  const auto stat = (*sync)->Stat(ctx_, name);
  ASSERT_TRUE(stat.ok()) << stat.status();
  EXPECT_EQ(stat->size_bytes, content.size());
  EXPECT_EQ(stat->modified_unix_s, 1'600'000'000);
  EXPECT_TRUE(absl::IsNotFound((*sync)->Stat(ctx_, std::string(kStorage) + "/none").status()));
  const absl::Status gone = (*sync)->Receive(ctx_, std::string(kStorage) + "/none",
                                             [](ByteView) { return absl::OkStatus(); });
  EXPECT_TRUE(agent::IsFileRefusal(gone)) << gone;
  EXPECT_TRUE((*sync)->Stat(ctx_, name).ok()) << "the next request goes on";
}

TEST_F(AdbTest, CommandsTellTheirEndAndTakeInput) {
  const auto device = Open(Plug(3));
  ASSERT_NE(device, nullptr);
  EXPECT_EQ(agent::RunShell(ctx_, *device, "echo hello", 100)->output, "hello\n");
  EXPECT_EQ(agent::RunShell(ctx_, *device, "cat /not/there", 100)->exit.status, 1);
  const std::string odd = "it's \"odd\" $(x) `y` \\ \n;";
  EXPECT_EQ(agent::RunShell(ctx_, *device, "echo " + agent::QuoteForShell(odd), 100)->output,
            odd + "\n");
  const auto shell = device->Shell(ctx_, "wc -c");
  ASSERT_TRUE(shell.ok());
  ASSERT_TRUE((*shell)->Write(ctx_, AsBytes(std::string(500'000, 'n'))).ok());
  ASSERT_TRUE((*shell)->CloseStdin(ctx_).ok());
  Bytes out(100);
  const auto count = (*shell)->Read(ctx_, out);
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_THAT(std::string(AsText(ByteView(out).subspan(0, *count))), HasSubstr("500000"));
  EXPECT_EQ((*shell)->Finish(ctx_)->status, 0);
}

TEST_F(AdbTest, ThePhoneSaysWhatOfItCanBeReached) {
  const std::string serial =
      Plug(4, {.android = 10, .content = {.work_profile = true, .sd_card = "1A2B-3C4D"}});
  const auto device = Open(serial);
  ASSERT_NE(device, nullptr);
  const auto probed = agent::ProbeAndroid(ctx_, *device, serial);
  ASSERT_TRUE(probed.ok()) << probed.status();
  const v1::DeviceFacts& facts = probed->facts;
  EXPECT_EQ(facts.serial(), serial);
  EXPECT_EQ(facts.os_version(), "10");
  EXPECT_EQ(facts.sdk(), 29U);
  EXPECT_EQ(facts.battery_percent(), 80);
  EXPECT_GT(facts.capacity_bytes(), 0U);
  EXPECT_EQ(facts.platform_id().size(), 16U);
  EXPECT_EQ(Capability(facts, "contacts").state(), v1::CAPABILITY_STATE_AVAILABLE);
  EXPECT_EQ(Capability(facts, "sms").state(), v1::CAPABILITY_STATE_AVAILABLE);
  EXPECT_EQ(Capability(facts, "call-log").state(), v1::CAPABILITY_STATE_REFUSED);
  EXPECT_EQ(Capability(facts, "storage").state(), v1::CAPABILITY_STATE_AVAILABLE);
  EXPECT_EQ(Capability(facts, "sd-card").state(), v1::CAPABILITY_STATE_AVAILABLE);
  EXPECT_EQ(Capability(facts, "work-profile").state(), v1::CAPABILITY_STATE_OUT_OF_REACH);
  EXPECT_EQ(Capability(facts, "app-data").state(), v1::CAPABILITY_STATE_OUT_OF_REACH);
}

TEST_F(AdbTest, EveryVersionOfAndroidIsProbed) {
  for (int version = 9; version <= 16; ++version) {
    const std::string serial =
        Plug(100 + static_cast<std::uint64_t>(version), {.android = version});
    const auto device = Open(serial);
    ASSERT_NE(device, nullptr);
    const auto probed = agent::ProbeAndroid(ctx_, *device, serial);
    ASSERT_TRUE(probed.ok()) << probed.status();
    EXPECT_EQ(probed->facts.os_version(), std::to_string(version));
    EXPECT_EQ(Capability(probed->facts, "contacts").state(), v1::CAPABILITY_STATE_AVAILABLE);
    EXPECT_EQ(Capability(probed->facts, "work-profile").state(), v1::CAPABILITY_STATE_ABSENT);
    EXPECT_EQ(Capability(probed->facts, "android-data").state(),
              version <= 12 ? v1::CAPABILITY_STATE_AVAILABLE : v1::CAPABILITY_STATE_REFUSED);
  }
}

TEST_F(AdbTest, APhoneLockedSinceItWasStartedWaitsForItsOwner) {
  const std::string serial = Plug(5, {.is_locked_since_boot = true});
  const auto device = Open(serial);
  ASSERT_NE(device, nullptr);
  const auto probed = agent::ProbeAndroid(ctx_, *device, serial);
  ASSERT_TRUE(probed.ok()) << probed.status();
  EXPECT_EQ(probed->waiting_for, v1::WAITING_FOR_UNLOCK);
  EXPECT_TRUE(probed->facts.locked());
  farm_->Find(serial)->Unlock();
  EXPECT_EQ(agent::ProbeAndroid(ctx_, *device, serial)->waiting_for, v1::WAITING_FOR_UNSPECIFIED);
}

TEST_F(AdbTest, AnUnplugInTheMiddleIsNotAnEnd) {
  const std::string serial = Plug(6, {.content = {.big_file = 8 << 20}});
  const auto device = Open(serial);
  ASSERT_NE(device, nullptr);
  const auto shell = device->Shell(ctx_, "find /sdcard/ -type f | xargs cat");
  ASSERT_TRUE(shell.ok());
  Bytes piece(1 << 16);
  ASSERT_TRUE((*shell)->Read(ctx_, piece).ok());
  farm_->Detach(serial);
  EXPECT_EQ(CauseOf((*shell)->Finish(ctx_).status()), v1::CAUSE_UNPLUGGED);
  EXPECT_EQ(CauseOf(device->Sync(ctx_).status()), v1::CAUSE_UNPLUGGED);
}

TEST_F(AdbTest, AttacksAreRefusedWithAMessage) {
  std::uint64_t seed = 70;
  for (const char* attack : {"sync-names", "long-name", "oversize-data", "unknown-reply",
                             "endless-data", "endless-list", "endless-fail", "oversize-packet"}) {
    const std::string serial = Plug(seed++, {.content = {.files = 20}});
    const auto device = Open(serial);
    ASSERT_NE(device, nullptr);
    farm_->Find(serial)->set_hostile(attack);
    const auto sync = device->Sync(ctx_);
    ASSERT_TRUE(sync.ok());
    absl::Status refused;
    const std::string directory = std::string(kStorage) + "/DCIM/Camera";
    std::string file;
    refused = (*sync)->List(ctx_, directory, [&](std::string_view name, const AdbStat& stat) {
      EXPECT_EQ(name.find('/'), std::string_view::npos);
      EXPECT_NE(name, "..");
      if (stat.is_regular()) file = directory + "/" + std::string(name);
      return absl::OkStatus();
    });
    if (refused.ok() && !file.empty()) {
      std::uint64_t taken = 0;
      refused = (*sync)->Receive(ctx_, file, [&](ByteView bytes) -> absl::Status {
        taken += bytes.size();
        if (taken <= (std::uint64_t{16} << 20)) return absl::OkStatus();
        return absl::OutOfRangeError("more than the phone said there was");
      });
    }
    EXPECT_FALSE(refused.ok()) << attack;
    EXPECT_FALSE(refused.message().empty());
  }
}

// Phones that come and go, as the monitor tells of them.
class AdbMonitorTest : public AdbTest {
 protected:
  void StartMonitor(FakeUsbBus& usb, absl::Duration settle = absl::Seconds(3)) {
    monitor_.emplace(adb_.server(), usb, clock_, listener_,
                     agent::AdbMonitorPatience{.look_every = absl::Milliseconds(50),
                                               .settle = settle,
                                               .retry_min = absl::Milliseconds(50),
                                               .retry_max = absl::Milliseconds(200)});
  }

  RecordingListener listener_;
  std::optional<agent::AdbMonitor> monitor_;
};

TEST_F(AdbMonitorTest, APhoneIsNewsOnceItsOwnerAllowsThisComputer) {
  // It is not the offline state before that is told.
  StartMonitor(usb_, absl::Minutes(5));
  const std::string serial = Plug(8, {.auth = AuthMode::kAsk});
  const std::string address = farm_->Address(serial);
  EXPECT_THAT(listener_.Await(1), ElementsAre("attached provisionally " + address));
  EXPECT_EQ(agent::FindAndroid(ctx_, adb_.server(), usb_, address)->state,
            PhoneState::kUnauthorized);
  farm_->Find(serial)->Authorize();
  EXPECT_THAT(listener_.Await(3), ElementsAre("attached provisionally " + address,
                                              "detached " + address, "attached " + serial));
}

TEST_F(AdbMonitorTest, PhonesComeAndGo) {
  StartMonitor(usb_);
  const std::string one = Plug(9);
  EXPECT_THAT(listener_.Await(1), ElementsAre("attached " + one));
  const std::string two = Plug(10);
  EXPECT_EQ(listener_.Await(2).back(), "attached " + two);
  farm_->Detach(one);
  EXPECT_EQ(listener_.Await(3).back(), "detached " + one);
  farm_->Attach(one);
  EXPECT_EQ(listener_.Await(4).back(), "attached " + one);
}

TEST_F(AdbMonitorTest, AServerThatIsKilledIsStartedAgainForAPhoneOnUsb) {
  usb_.Set({UsbPhoneAt("9-9", "PHONE-NINE", true)});
  StartMonitor(usb_);
  adb_.Kill();
  for (int i = 0; i < 400 && adb_.server().Version(ctx_).ok(); ++i) {
    clock_.Sleep(absl::Milliseconds(10), {});
  }
  for (int i = 0; i < 400 && !adb_.server().Version(ctx_).ok(); ++i) {
    clock_.Sleep(absl::Milliseconds(50), {});
  }
  EXPECT_TRUE(adb_.server().Version(ctx_).ok());
  const std::string serial = Plug(11);
  const std::vector<std::string> events = listener_.Await(2);
  EXPECT_THAT(events, ::testing::Contains("attached " + serial));
}

}  // namespace
}  // namespace mooring::testing
