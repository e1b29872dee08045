// libimobiledevice itself against the services that no Debian tool reaches: AFC,
// notifications, installed apps, hot plug.

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libimobiledevice/afc.h>
#include <libimobiledevice/installation_proxy.h>
#include <libimobiledevice/libimobiledevice.h>
#include <libimobiledevice/lockdown.h>
#include <libimobiledevice/notification_proxy.h>

#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "tests/phones/common/temp_dir.h"
#include "tests/phones/iphone/crypto.h"
#include "tests/phones/iphone/phone_farm.h"
#include "tests/phones/iphone/plist.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What callbacks on the library's threads saw.
class Events {
 public:
  void Add(const std::string& event) {
    MutexLock lock(mutex_);
    events_.push_back(event);
    changed_.NotifyAll();
  }
  bool Await(std::size_t count) {
    MutexLock lock(mutex_);
    const auto enough = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return events_.size() >= count; };
    return changed_.WaitFor(mutex_, {}, absl::Seconds(20), enough).ready;
  }
  std::vector<std::string> list() {
    MutexLock lock(mutex_);
    return events_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> events_ ABSL_GUARDED_BY(mutex_);
};

class GenuineLibraryTest : public ::testing::Test {
 protected:
  void Start(bool preflight) {
    absl::StatusOr<std::unique_ptr<PhoneFarm>> farm =
        PhoneFarm::Start({.socket_path = temp_.path() + "/usbmuxd.sock",
                          .state_dir = temp_.path() + "/state",
                          .temp_dir = temp_.path(),
                          .marker = {},
                          .preflight = preflight});
    ASSERT_TRUE(farm.ok()) << farm.status();
    farm_ = *std::move(farm);
    setenv("USBMUXD_SOCKET_ADDRESS", farm_->socket_address().c_str(), 1);
  }
  void Connect(const std::string& udid) {
    ASSERT_EQ(idevice_new(&device_, udid.c_str()), IDEVICE_E_SUCCESS);
    lockdownd_client_t lockdown = nullptr;
    ASSERT_EQ(lockdownd_client_new_with_handshake(device_, &lockdown, "test"), LOCKDOWN_E_SUCCESS);
    lockdownd_client_free(lockdown);
  }
  void TearDown() override {
    if (device_ != nullptr) idevice_free(device_);
    farm_.reset();
    unsetenv("USBMUXD_SOCKET_ADDRESS");
  }

  TempDir temp_;
  std::unique_ptr<PhoneFarm> farm_;
  idevice_t device_ = nullptr;
};

TEST_F(GenuineLibraryTest, PhotosAreTheSameOverAfc) {
  Start(false);
  const std::string udid = farm_->AddPhone(1, {});
  Connect(udid);
  afc_client_t afc = nullptr;
  ASSERT_EQ(afc_client_start_service(device_, &afc, "test"), AFC_E_SUCCESS);
  const absl::StatusOr<std::vector<DumpedFile>> dump = farm_->Dump(udid);
  std::size_t photos = 0;
  for (const DumpedFile& file : *dump) {
    if (!file.path.starts_with("Media/DCIM/") || file.kind != FileEntry::Kind::kFile) continue;
    std::uint64_t handle = 0;
    ASSERT_EQ(afc_file_open(afc, file.path.substr(5).c_str(), AFC_FOPEN_RDONLY, &handle),
              AFC_E_SUCCESS);
    std::string bytes;
    std::vector<char> buffer(70'000);
    std::uint32_t got = 0;
    while (afc_file_read(afc, handle, buffer.data(), 70'000, &got) == AFC_E_SUCCESS && got > 0) {
      bytes.append(buffer.data(), got);
    }
    afc_file_close(afc, handle);
    EXPECT_EQ(HexOf(Sha256(bytes)), file.sha256) << file.path;
    ++photos;
  }
  EXPECT_GT(photos, 30U);

  char** names = nullptr;
  ASSERT_EQ(afc_read_directory(afc, "/DCIM", &names), AFC_E_SUCCESS);
  std::vector<std::string> listed;
  for (char** name = names; *name != nullptr; ++name) listed.emplace_back(*name);
  afc_dictionary_free(names);
  EXPECT_THAT(listed, Contains("100APPLE"));
  char** info = nullptr;
  EXPECT_EQ(afc_get_file_info(afc, "/DCIM/none", &info), AFC_E_OBJECT_NOT_FOUND);
  std::uint64_t handle = 0;
  EXPECT_EQ(afc_file_open(afc, "/DCIM/100APPLE/IMG_0000.JPG", AFC_FOPEN_RW, &handle),
            AFC_E_PERM_DENIED);
  afc_client_free(afc);
  EXPECT_THAT(farm_->Violations(udid), IsEmpty());
}

TEST_F(GenuineLibraryTest, TheSyncLockIsExclusive) {
  Start(false);
  Connect(farm_->AddPhone(1, {}));
  afc_client_t clients[2] = {};
  std::uint64_t handles[2] = {};
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(afc_client_start_service(device_, &clients[i], "test"), AFC_E_SUCCESS);
    ASSERT_EQ(afc_file_open(clients[i], "/com.apple.itunes.lock_sync", AFC_FOPEN_RW, &handles[i]),
              AFC_E_SUCCESS);
  }
  EXPECT_EQ(afc_file_lock(clients[0], handles[0], AFC_LOCK_EX), AFC_E_SUCCESS);
  EXPECT_EQ(afc_file_lock(clients[1], handles[1], AFC_LOCK_EX), AFC_E_OP_WOULD_BLOCK);
  EXPECT_EQ(afc_file_lock(clients[0], handles[0], AFC_LOCK_UN), AFC_E_SUCCESS);
  EXPECT_EQ(afc_file_lock(clients[1], handles[1], AFC_LOCK_EX), AFC_E_SUCCESS);
  for (afc_client_t client : clients) afc_client_free(client);
}

TEST_F(GenuineLibraryTest, NotificationsReachTheHost) {
  Start(false);
  PhoneOptions options;
  options.passcode = PasscodeMode::kAuto;
  const std::string udid = farm_->AddPhone(1, options);
  Connect(udid);
  np_client_t proxy = nullptr;
  ASSERT_EQ(np_client_start_service(device_, &proxy, "test"), NP_E_SUCCESS);
  Events events;
  np_set_notify_callback(
      proxy, [](const char* name, void* user) { static_cast<Events*>(user)->Add(name); }, &events);
  np_observe_notification(proxy, "com.apple.LocalAuthentication.ui.presented");
  np_observe_notification(proxy, "com.apple.LocalAuthentication.ui.dismissed");
  SystemClock clock;
  clock.Sleep(absl::Milliseconds(500), {});  // Observing has no answer.
  EXPECT_TRUE(farm_->Find(udid)->AwaitPasscode());
  EXPECT_TRUE(events.Await(2));
  EXPECT_THAT(events.list(), ElementsAre("com.apple.LocalAuthentication.ui.presented",
                                         "com.apple.LocalAuthentication.ui.dismissed"));
  np_client_free(proxy);
}

TEST_F(GenuineLibraryTest, AppsAreListed) {
  Start(false);
  Connect(farm_->AddPhone(1, {}));
  instproxy_client_t proxy = nullptr;
  ASSERT_EQ(instproxy_client_start_service(device_, &proxy, "test"), INSTPROXY_E_SUCCESS);
  plist_t apps = nullptr;
  ASSERT_EQ(instproxy_browse(proxy, nullptr, &apps), INSTPROXY_E_SUCCESS);
  EXPECT_EQ(PlistView(apps).At(0).StringOr("CFBundleIdentifier", ""), "com.example.chat");
  plist_free(apps);
  instproxy_client_free(proxy);
}

TEST_F(GenuineLibraryTest, PreflightAnnouncesThePairing) {
  Start(true);
  Events events;
  ASSERT_EQ(idevice_event_subscribe(
                [](const idevice_event_t* event, void* user) {
                  const char* name = event->event == IDEVICE_DEVICE_ADD      ? "add"
                                     : event->event == IDEVICE_DEVICE_REMOVE ? "remove"
                                                                             : "paired";
                  static_cast<Events*>(user)->Add(name);
                },
                &events),
            IDEVICE_E_SUCCESS);
  PhoneOptions options;
  options.trust = TrustMode::kAsk;
  const std::string udid = farm_->AddPhone(1, options);
  ASSERT_TRUE(events.Await(1));
  SystemClock clock;
  for (int i = 0; i < 400 && farm_->Find(udid)->trust_state() != "pending"; ++i) {
    clock.Sleep(absl::Milliseconds(50), {});
  }
  ASSERT_EQ(farm_->Find(udid)->trust_state(), "pending");  // Before anybody has asked.
  farm_->Find(udid)->Trust();
  ASSERT_TRUE(events.Await(2));
  Connect(udid);  // With the record that usbmuxd made.
  EXPECT_THAT(farm_->Violations(udid), IsEmpty());
  farm_->Detach(udid);
  ASSERT_TRUE(events.Await(3));
  EXPECT_THAT(events.list(), ElementsAre("add", "paired", "remove"));
  idevice_event_unsubscribe();
}

}  // namespace
}  // namespace mooring::testing
