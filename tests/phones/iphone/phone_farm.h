// PhoneFarm: a usbmuxd with simulated iPhones behind it, in this process.
//
//   MOORING_ASSIGN_OR_RETURN(auto farm, PhoneFarm::Start({.socket_path = dir + "/usbmuxd.sock"}));
//   const std::string udid = farm->AddPhone(1, {});
//   setenv("USBMUXD_SOCKET_ADDRESS", farm->socket_address().c_str(), 1);

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/random.h"
#include "tests/phones/common/content.h"
#include "tests/phones/iphone/phone.h"
#include "tests/phones/iphone/usbmuxd.h"

namespace mooring::testing {

// One file as the phone itself sees it.
struct DumpedFile {
  std::string domain;
  std::string path;
  FileEntry::Kind kind = FileEntry::Kind::kFile;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_unix = 0;
  std::uint32_t mode = 0;
  std::string sha256;  // Of regular files, in hexadecimal.
  std::string target;  // Of symbolic links.
  bool encrypted_only = false;

  friend bool operator==(const DumpedFile&, const DumpedFile&) = default;
};

// Thread-safe. Ignores SIGPIPE for the process, since hosts may go at any time.
class PhoneFarm {
 public:
  struct Options {
    std::string socket_path;
    std::string state_dir;          // Pair records and phone keys; kept nowhere when empty.
    std::string temp_dir = "/tmp";  // Restored contents and Manifest.db while they are in use.
    std::string marker;             // Planted in every phone's contents when not empty.
    // Pair at every attachment, as the genuine usbmuxd does, and announce it (Paired).
    bool preflight = false;
  };

  static absl::StatusOr<std::unique_ptr<PhoneFarm>> Start(Options options);
  // Pulls every cable and waits for every conversation to end.
  ~PhoneFarm();

  // For USBMUXD_SOCKET_ADDRESS.
  std::string socket_address() const { return "UNIX:" + options_.socket_path; }

  // Makes a phone, attaches it and returns its UDID, which depends on `seed` alone.
  std::string AddPhone(std::uint64_t seed, PhoneOptions options);
  std::vector<std::string> Phones();
  // By UDID, serial number or position from 0; null if there is none.
  std::shared_ptr<Phone> Find(std::string_view name);

  void Attach(const std::string& udid);
  void Detach(const std::string& udid);
  // Attaches `udid` again after `delay`.
  void AttachLater(const std::string& udid, absl::Duration delay);
  bool IsAttached(const std::string& udid) { return usbmuxd_->IsAttached(udid); }

  // Every file, hashes included, by domain and path. Reads contents that were never read.
  absl::StatusOr<std::vector<DumpedFile>> Dump(const std::string& udid);
  // What hosts did wrong: on this phone and, without a phone, at usbmuxd itself.
  std::vector<std::string> Violations(const std::string& udid);
  std::vector<std::string> UsbmuxdViolations() { return usbmuxd_->violations(); }

 private:
  explicit PhoneFarm(Options options);
  absl::Status LoadKey(Phone& phone);
  struct Chore {
    enum class Kind { kAttach, kPreflight };
    Kind kind = Kind::kAttach;
    std::string udid;
  };
  void Schedule(absl::Duration delay, Chore chore);
  void DoChores(std::stop_token stop);

  const Options options_;
  SystemClock clock_;
  SystemRandom random_;
  ContentLibrary library_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::shared_ptr<Phone>> phones_ ABSL_GUARDED_BY(mutex_);
  std::multimap<absl::Duration, Chore> chores_ ABSL_GUARDED_BY(mutex_);  // By when.
  std::unique_ptr<UsbmuxServer> usbmuxd_;
  std::jthread chores_thread_;  // Last: it uses the rest.
};

}  // namespace mooring::testing
