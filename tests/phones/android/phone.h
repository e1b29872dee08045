// AndroidPhone: what one simulated Android phone is, holds and has been told to do.
// The protocols that hosts speak to it are in transport.h and services.h.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/random.h"
#include "tests/phones/android/package_table.h"
#include "tests/phones/android/phone_content.h"
#include "tests/phones/android/phone_files.h"
#include "tests/phones/android/providers.h"
#include "tests/phones/common/content.h"
#include "tests/phones/common/faults.h"

namespace mooring::testing::android {

// Who answers the dialog "Allow USB debugging?".
enum class AuthMode { kAuto, kAsk, kRefuse };

struct AndroidPhoneOptions {
  int android = 14;       // 9 to 16.
  std::string name = {};  // Its model; empty: one that depends on the seed.
  ContentOptions content = {};
  AuthMode auth = AuthMode::kAuto;
  bool is_locked = false;
  bool is_locked_since_boot = false;
  std::uint64_t capacity_bytes = 64ULL << 30;
  std::uint32_t battery_percent = 80;
  // Whether the shell may read Android/data; by version if not said (to 12: yes).
  std::optional<bool> android_data = {};
  // Whether `appops set com.android.shell WRITE_SMS allow` lets messages be written.
  bool honors_sms_appop = true;
  bool old_checksums = false;  // Transport version 0x01000000, as old phones.
  std::uint32_t max_payload = 1 << 20;
  std::uint64_t bytes_per_second = 0;  // To the host; 0: no limit.
  std::uint16_t port = 0;              // 0: any that is free.
};

struct PhoneIdentity {
  std::string serial;
  std::string manufacturer;
  std::string model;
  std::string product;
  std::string device;
  std::string release;  // "14"
  int sdk = 34;
  std::string fingerprint;
};

// Depends on `seed`, `android` and, if not empty, `model`.
PhoneIdentity MakeIdentity(std::uint64_t seed, int android, std::string_view model);

// Thread-safe.
class AndroidPhone {
 public:
  AndroidPhone(AndroidPhoneOptions options, ContentLibrary& library, Clock& clock);

  const AndroidPhoneOptions& options() const { return options_; }
  const PhoneIdentity& identity() const { return identity_; }
  PhoneFiles& files() { return files_; }
  Providers& providers() { return providers_; }
  PackageTable& packages() { return packages_; }
  ContentLibrary& library() { return library_; }
  Random& random() { return random_; }
  Clock& clock() { return clock_; }

  // Every property, as getprop tells them.
  std::map<std::string, std::string> Properties();
  // What adbd of this version offers, for the banner of CNXN.
  std::vector<std::string> Features() const;
  bool HasFeature(std::string_view name) const;

  std::optional<std::string> Setting(const std::string& space, const std::string& key);
  std::map<std::string, std::string> SettingsOf(const std::string& space);
  void PutSetting(const std::string& space, const std::string& key, const std::string& value);
  void DeleteSetting(const std::string& space, const std::string& key);

  // The screen. A phone that is locked since it was booted has no shared storage.
  void Lock();
  void Unlock();
  void LockSinceBoot();
  bool is_locked();
  bool is_locked_since_boot();
  void set_battery(std::uint32_t percent);
  std::uint32_t battery();
  void SetAppOp(const std::string& package, const std::string& op, const std::string& mode);
  std::string AppOp(const std::string& package, const std::string& op);

  // Authorization. A key is what the host sent of itself, as text.
  void set_auth_mode(AuthMode mode);
  AuthMode auth_mode();
  std::vector<std::string> keys();
  // The dialog comes up for `key`; what auth_mode says happens at once.
  void AskFor(const std::string& key);
  // 1: accepted, 0: still up, -1: dismissed.
  int AnswerFor(const std::string& key);
  void Authorize();  // The owner taps Allow.
  void Refuse();     // The owner dismisses the dialog.
  void ForgetKeys();
  std::string auth_state();  // "authorized", "asking", "refused", "unauthorized".

  MutationResult Mutate(const MutationOptions& options);

  FaultPlan& faults() { return faults_; }
  // Byte counts of the fault are from now on.
  void AddFault(Fault fault);
  void set_hostile(std::string name);
  // Whether the phone has been told to make this attack.
  bool IsHostile(std::string_view name);
  std::string hostile();

  void AddViolation(std::string text);
  std::vector<std::string> violations();
  void ClearViolations();
  // The services that hosts opened, oldest first; the last 1,000.
  void NoteService(std::string service);
  std::vector<std::string> journal();
  void ClearJournal();

  // Bytes of streams on the wire, since the phone was made. Counting answers what it was before.
  std::uint64_t CountSent(std::uint64_t bytes);
  std::uint64_t CountReceived(std::uint64_t bytes);
  std::uint64_t bytes_sent();
  // Those of them that the file service, tar and tail sent.
  void CountFileBytes(std::uint64_t bytes);
  std::uint64_t file_bytes_sent();
  std::uint64_t bytes_received();

 private:
  const AndroidPhoneOptions options_;
  const PhoneIdentity identity_;
  ContentLibrary& library_;
  Clock& clock_;
  SystemRandom random_;
  FaultPlan faults_;
  PhoneFiles files_;
  Providers providers_;
  PackageTable packages_;
  Mutex mutex_;
  Settings settings_ ABSL_GUARDED_BY(mutex_);
  bool is_locked_ ABSL_GUARDED_BY(mutex_);
  bool is_locked_since_boot_ ABSL_GUARDED_BY(mutex_);
  std::uint32_t battery_ ABSL_GUARDED_BY(mutex_);
  AuthMode auth_mode_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> keys_ ABSL_GUARDED_BY(mutex_);
  std::string asking_ ABSL_GUARDED_BY(mutex_);
  bool is_refused_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::string> app_ops_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t rounds_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string hostile_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> violations_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> journal_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t bytes_sent_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t file_bytes_sent_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t bytes_received_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mooring::testing::android
