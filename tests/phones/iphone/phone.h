// Phone: the state of one simulated iPhone, shared by its services.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/random.h"
#include "tests/phones/common/content.h"
#include "tests/phones/common/faults.h"
#include "tests/phones/iphone/file_table.h"
#include "tests/phones/iphone/keybag.h"
#include "tests/phones/iphone/tls.h"

namespace mooring::testing {

class Channel;

struct PhoneIdentity {
  std::string udid;  // 25 characters, XXXXXXXX-XXXXXXXXXXXXXXXX.
  std::string serial;
  std::string name;
  std::string product_type;
  std::string ios_version;
  std::string build_version;
  std::string wifi_address;
  std::string imei;
  std::string phone_number;
};

PhoneIdentity MakeIdentity(std::uint64_t seed, std::string_view name);

// What becomes of the Trust dialog.
enum class TrustMode {
  kAuto,    // Its owner taps Trust at once.
  kAsk,     // It stands until Trust() or Refuse().
  kRefuse,  // Its owner taps Don't Trust at once.
};

// The passcode sheet that comes up before backups and password changes.
enum class PasscodeMode {
  kNone,  // The phone has no passcode.
  kAuto,  // Entered after `passcode_after`.
  kWait,  // Stands until EnterPasscode() or the timeout (error 208).
};

struct PhoneOptions {
  PhoneContentOptions content;
  std::string name;  // Made from the seed when empty.
  std::uint64_t capacity_bytes = 64ull << 30;
  TrustMode trust = TrustMode::kAuto;
  PasscodeMode passcode = PasscodeMode::kNone;
  absl::Duration passcode_after = absl::Milliseconds(200);
  absl::Duration passcode_timeout = absl::Seconds(180);
  absl::Duration answer_timeout = absl::Seconds(600);  // For any answer of the host.
  absl::Duration reboot_time = absl::Milliseconds(500);
  KeybagCost keybag_cost;
  std::size_t batch_files = 200;          // Of one UploadFiles message.
  std::uint64_t batch_bytes = 16u << 20;  // The same.
  std::uint64_t bytes_per_second = 0;     // Of payload to the host; 0: as fast as it goes.
  bool ends_files_with_0b = false;        // Good files end with an empty 0x0B block.
  bool is_locked = false;
  bool is_busy = false;  // mobilebackup2 refuses to start.
};

// How the last backup or restore went, from the phone's side.
struct OperationRecord {
  std::string operation;  // "backup", "restore", "change-password".
  bool is_full = false;
  std::string full_reason;  // Why the backup was not incremental.
  int error_code = 0;
  bool is_finished = false;  // The final Response was sent.
  std::uint64_t files_sent = 0;
  std::uint64_t bytes_sent = 0;  // Everything that was uploaded, Manifest.db included.
  std::uint64_t files_removed = 0;
  std::uint64_t files_received = 0;
};

// Thread-safe.
class Phone {
 public:
  // The references must outlive the phone.
  Phone(std::uint64_t seed, PhoneOptions options, ContentLibrary& library, Clock& clock,
        Random& random);

  const PhoneIdentity& identity() const { return identity_; }
  const PhoneOptions& options() const { return options_; }
  ContentLibrary& library() { return library_; }
  Clock& clock() { return clock_; }
  Random& random() { return random_; }
  FaultPlan& faults() { return faults_; }

  // --- Cable. The farm attaches and detaches; services only ask.
  void set_unplug(std::function<void(std::uint64_t replug_ms)> unplug) {
    unplug_ = std::move(unplug);
  }
  void Unplug(std::uint64_t replug_ms);
  // While it is registered, a detach shuts the channel down. False: not attached.
  bool Register(Channel& channel);
  void Unregister(Channel& channel);
  void BeginAttachment();
  // Closes every connection and forgets a refusal, as pulling the cable does.
  void EndAttachment();
  // Requested when the cable goes: ends every wait.
  std::stop_token attachment();

  // --- Trust.
  absl::StatusOr<PhoneKey> Key();
  void RestoreKey(PhoneKey key);
  // OK, or the lockdown error word as the message.
  absl::Status TryPair(HostTrust trust);
  std::optional<HostTrust> FindHost(std::string_view host_id);
  void ForgetHost(std::string_view host_id);
  void ForgetAllHosts();
  void Trust();
  void Refuse();
  void set_trust_mode(TrustMode mode);
  std::string trust_state();

  // --- Lock, passcode sheet, busy.
  void set_locked(bool locked);
  bool is_locked();
  void set_busy(bool busy);
  bool is_busy();
  void EnterPasscode();
  void CancelPasscode();
  void set_passcode_mode(PasscodeMode mode);
  bool has_passcode_sheet();
  // Shows the sheet if the phone has a passcode; false: cancelled, timed out or unplugged.
  bool AwaitPasscode();

  // --- Notifications.
  using Observer = std::function<void(const std::string& name)>;
  std::uint64_t AddObserver(Observer observer);
  void RemoveObserver(std::uint64_t id);
  void PostNotification(const std::string& name);

  // --- Files. A table, once handed out, never changes.
  std::shared_ptr<const FileTable> files();
  void ReplaceFiles(FileTable table);
  MutationResult Mutate(const MutationOptions& options);
  // Small files that hosts write over AFC. kResourceExhausted beyond 16 MiB.
  absl::Status WriteHostFile(const std::string& path, std::string bytes);
  std::optional<std::string> ReadHostFile(const std::string& path);
  void RemoveHostFile(const std::string& path);
  std::vector<std::string> HostFiles();
  // The lock of /com.apple.itunes.lock_sync; `owner` is any number of the caller's.
  bool LockSync(std::uint64_t owner);
  void UnlockSync(std::uint64_t owner);

  // --- Backup encryption.
  std::shared_ptr<const Keybag> keybag();  // Null: not encrypted.
  // Empty: off. kPermissionDenied: `old_password` is not the one that is set.
  absl::Status ChangePassword(std::string_view old_password, std::string_view new_password);
  void ForcePassword(std::string_view new_password);
  const std::string& file_key_secret() const { return file_key_secret_; }

  // --- Service ports.
  struct PendingService {
    std::string name;
    std::string host_id;  // Empty: without TLS.
  };
  std::uint16_t OfferService(PendingService service);
  std::optional<PendingService> TakeService(std::uint16_t port);

  // --- Record.
  void Violation(std::string what);
  std::vector<std::string> violations();
  void ClearViolations();
  void Record(OperationRecord record);
  std::optional<OperationRecord> last_operation();
  void set_current_step(std::string step);
  std::string current_step();

 private:
  const PhoneIdentity identity_;
  const PhoneOptions options_;
  const std::string file_key_secret_;
  ContentLibrary& library_;
  Clock& clock_;
  Random& random_;
  FaultPlan faults_;
  std::function<void(std::uint64_t)> unplug_;  // Set once, before the phone is shared.

  Mutex mutex_;
  CondVar changed_;
  bool is_attached_ ABSL_GUARDED_BY(mutex_) = false;
  std::stop_source attachment_ ABSL_GUARDED_BY(mutex_);
  std::set<Channel*> channels_ ABSL_GUARDED_BY(mutex_);
  std::optional<PhoneKey> key_ ABSL_GUARDED_BY(mutex_);
  TrustMode trust_mode_ ABSL_GUARDED_BY(mutex_);
  enum class Dialog { kNone, kShown, kTrusted, kRefused };
  Dialog dialog_ ABSL_GUARDED_BY(mutex_) = Dialog::kNone;
  std::map<std::string, HostTrust, std::less<>> hosts_ ABSL_GUARDED_BY(mutex_);
  bool is_locked_ ABSL_GUARDED_BY(mutex_);
  bool is_busy_ ABSL_GUARDED_BY(mutex_);
  PasscodeMode passcode_mode_ ABSL_GUARDED_BY(mutex_);
  enum class Sheet { kNone, kShown, kEntered, kCancelled };
  Sheet sheet_ ABSL_GUARDED_BY(mutex_) = Sheet::kNone;
  std::uint64_t last_observer_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Observer> observers_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const FileTable> files_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t mutation_round_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::string> host_files_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::uint64_t> sync_owner_ ABSL_GUARDED_BY(mutex_);
  std::string password_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Keybag> keybag_ ABSL_GUARDED_BY(mutex_);
  std::uint16_t last_port_ ABSL_GUARDED_BY(mutex_) = 49151;
  std::map<std::uint16_t, PendingService> services_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> violations_ ABSL_GUARDED_BY(mutex_);
  std::optional<OperationRecord> last_operation_ ABSL_GUARDED_BY(mutex_);
  std::string step_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing
