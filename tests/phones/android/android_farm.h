// AndroidFarm: simulated Android phones in this process, each on a TCP port that a genuine
// adb server reaches with `adb connect`.
//
//   MOORING_ASSIGN_OR_RETURN(auto farm, AndroidFarm::Start({.temp_dir = dir}));
//   const std::string serial = farm->AddPhone(1, {.android = 13});
//   adb connect <farm->Address(serial)>

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "tests/phones/android/phone.h"
#include "tests/phones/android/phone_port.h"
#include "tests/phones/common/content.h"

namespace mooring::testing::android {

// One file as the phone itself sees it.
struct DumpedFile {
  std::string path;  // From /sdcard or /storage/<card> on.
  FileInfo::Kind kind = FileInfo::Kind::kFile;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_unix = 0;  // Of regular files: seconds, since that is what adb restores.
  std::string sha256;              // Of regular files, in hexadecimal.

  friend bool operator==(const DumpedFile&, const DumpedFile&) = default;
  friend std::ostream& operator<<(std::ostream& out, const DumpedFile& file) {
    return out << file.path << " " << file.size_bytes << " " << file.modified_unix << " "
               << file.sha256 << "\n";
  }
};

// Thread-safe. Ignores SIGPIPE for the process, since hosts may go at any time.
class AndroidFarm {
 public:
  struct Options {
    std::string temp_dir = "/tmp";  // Unlinked files for contents that came in.
    std::string marker = {};        // Planted in every phone's contents when not empty.
    // An adb server on 127.0.0.1 that is told of phones that come and go, as by a USB cable:
    // it is asked to connect to each attached phone that nobody is connected to. 0: none.
    std::uint16_t adb_server_port = 0;
  };

  static absl::StatusOr<std::unique_ptr<AndroidFarm>> Start(Options options);
  // Pulls every cable and waits for every conversation to end.
  ~AndroidFarm();

  // Makes a phone, attaches it and returns its serial number (ro.serialno), which depends on
  // `seed` and the version alone. Dies if there is no port for it.
  std::string AddPhone(std::uint64_t seed, AndroidPhoneOptions options);
  std::vector<std::string> Phones();
  // By serial number, address or position from 0; null if there is none.
  std::shared_ptr<AndroidPhone> Find(std::string_view name);
  // "127.0.0.1:21077": what `adb connect` takes, and how adb then calls the phone.
  std::string Address(const std::string& serial);

  void Attach(const std::string& serial);
  void Detach(const std::string& serial);
  void AttachLater(const std::string& serial, absl::Duration delay);
  bool IsAttached(const std::string& serial);

  // Everything on shared storage and the card, by path. Reads contents that were never read.
  absl::StatusOr<std::vector<DumpedFile>> Dump(const std::string& serial);
  std::vector<std::string> Violations(const std::string& serial);

 private:
  struct Slot {
    std::shared_ptr<AndroidPhone> phone;
    std::unique_ptr<PhonePort> port;
  };
  explicit AndroidFarm(Options options);
  PhonePort* PortOf(const std::string& serial);
  void Tend(std::stop_token stop);
  void AttachDue();
  void ConnectAll();
  void Unplugged(const std::string& serial, absl::Duration pause);

  const Options options_;
  SystemClock clock_;
  ContentLibrary library_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mutex_);                         // Only ever grows.
  std::multimap<absl::Duration, std::string> due_ ABSL_GUARDED_BY(mutex_);  // To be attached, when.
  std::vector<std::string> gone_ ABSL_GUARDED_BY(mutex_);  // Addresses that adb is to forget.
  std::jthread tender_;                                    // Last: it uses the rest.
};

}  // namespace mooring::testing::android
