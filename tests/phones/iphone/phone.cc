#include "tests/phones/iphone/phone.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "storage/base/bytes.h"
#include "storage/base/status.h"
#include "tests/phones/iphone/channel.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kViolationsMax = 1000;
constexpr std::size_t kHostFileBytesMax = 16 << 20;
constexpr std::size_t kHostFilesMax = 1000;
constexpr std::size_t kPendingServicesMax = 256;
constexpr std::uint16_t kFirstPort = 49152;
constexpr const char* kSheetPresented = "com.apple.LocalAuthentication.ui.presented";
constexpr const char* kSheetDismissed = "com.apple.LocalAuthentication.ui.dismissed";

std::string MakeSecret(Random& random) {
  Bytes bytes(32);
  random.Fill(bytes);
  return ToString(bytes);
}

}  // namespace

PhoneIdentity MakeIdentity(std::uint64_t seed, std::string_view name) {
  static constexpr std::array<std::array<const char*, 3>, 4> kModels = {{
      {"iPhone14,5", "17.5.1", "21F90"},
      {"iPhone15,2", "18.1", "22B83"},
      {"iPhone12,8", "16.7.8", "20H343"},
      {"iPhone16,1", "18.3.2", "22D82"},
  }};
  const auto& model = kModels[seed % kModels.size()];
  const std::uint64_t dice = Scramble(seed ^ 0x1D0E1D0E);
  PhoneIdentity identity;
  identity.udid = fmt::format("0000{:04X}-{:016X}", 0x8100 + (dice & 0xFF), Scramble(dice));
  identity.serial = fmt::format("F{:011X}", dice >> 20).substr(0, 12);
  identity.name = name.empty() ? fmt::format("Simulated iPhone {}", seed) : std::string(name);
  identity.product_type = model[0];
  identity.ios_version = model[1];
  identity.build_version = model[2];
  identity.wifi_address = fmt::format("02:00:{:02x}:{:02x}:{:02x}:{:02x}", (dice >> 24) & 0xFF,
                                      (dice >> 16) & 0xFF, (dice >> 8) & 0xFF, dice & 0xFF);
  identity.imei = fmt::format("35{:013}", dice % 10'000'000'000'000ULL);
  identity.phone_number = fmt::format("+1555{:07}", dice % 10'000'000);
  return identity;
}

Phone::Phone(std::uint64_t seed, PhoneOptions options, ContentLibrary& library, Clock& clock,
             Random& random)
    : identity_(MakeIdentity(seed, options.name)),
      options_(std::move(options)),
      file_key_secret_(MakeSecret(random)),
      library_(library),
      clock_(clock),
      random_(random),
      trust_mode_(options_.trust),
      is_locked_(options_.is_locked),
      is_busy_(options_.is_busy),
      passcode_mode_(options_.passcode),
      files_(std::make_shared<const FileTable>(MakePhoneContent(options_.content))) {}

void Phone::Unplug(std::uint64_t replug_ms) {
  if (unplug_) unplug_(replug_ms);
}

bool Phone::Register(Channel& channel) {
  MutexLock lock(mutex_);
  if (!is_attached_) return false;
  channels_.insert(&channel);
  return true;
}

void Phone::Unregister(Channel& channel) {
  MutexLock lock(mutex_);
  channels_.erase(&channel);
}

void Phone::BeginAttachment() {
  MutexLock lock(mutex_);
  is_attached_ = true;
  attachment_ = std::stop_source();
}

void Phone::EndAttachment() {
  std::stop_source ending;
  {
    MutexLock lock(mutex_);
    is_attached_ = false;
    for (Channel* channel : channels_) channel->Shutdown();
    dialog_ = Dialog::kNone;
    sheet_ = Sheet::kNone;
    services_.clear();
    sync_owner_.reset();
    ending = attachment_;
  }
  ending.request_stop();  // Outside the lock: it runs the waiters' callbacks.
}

std::stop_token Phone::attachment() {
  MutexLock lock(mutex_);
  return attachment_.get_token();
}

absl::StatusOr<PhoneKey> Phone::Key() {
  MutexLock lock(mutex_);
  if (!key_) {
    MOORING_ASSIGN_OR_RETURN(key_, PhoneKey::Make());
  }
  return *key_;
}

void Phone::RestoreKey(PhoneKey key) {
  MutexLock lock(mutex_);
  key_ = std::move(key);
}

absl::Status Phone::TryPair(HostTrust trust) {
  MutexLock lock(mutex_);
  if (is_locked_) return absl::FailedPreconditionError("PasswordProtected");
  if (dialog_ == Dialog::kNone) {
    dialog_ = trust_mode_ == TrustMode::kAuto  ? Dialog::kTrusted
              : trust_mode_ == TrustMode::kAsk ? Dialog::kShown
                                               : Dialog::kRefused;
  }
  if (dialog_ == Dialog::kShown) {
    return absl::FailedPreconditionError("PairingDialogResponsePending");
  }
  if (dialog_ == Dialog::kRefused) return absl::FailedPreconditionError("UserDeniedPairing");
  dialog_ = Dialog::kNone;
  std::string host_id = trust.host_id;
  hosts_.insert_or_assign(std::move(host_id), std::move(trust));
  return absl::OkStatus();
}

std::optional<HostTrust> Phone::FindHost(std::string_view host_id) {
  MutexLock lock(mutex_);
  const auto host = hosts_.find(host_id);
  if (host == hosts_.end()) return std::nullopt;
  return host->second;
}

void Phone::ForgetHost(std::string_view host_id) {
  MutexLock lock(mutex_);
  if (const auto host = hosts_.find(host_id); host != hosts_.end()) hosts_.erase(host);
}

void Phone::ForgetAllHosts() {
  MutexLock lock(mutex_);
  hosts_.clear();
}

void Phone::Trust() {
  {
    MutexLock lock(mutex_);
    dialog_ = Dialog::kTrusted;
  }
  PostNotification("com.apple.mobile.lockdown.request_pair");
}

void Phone::Refuse() {
  {
    MutexLock lock(mutex_);
    dialog_ = Dialog::kRefused;
  }
  PostNotification("com.apple.mobile.lockdown.request_pair");
}

void Phone::set_trust_mode(TrustMode mode) {
  MutexLock lock(mutex_);
  trust_mode_ = mode;
  dialog_ = Dialog::kNone;
}

std::string Phone::trust_state() {
  MutexLock lock(mutex_);
  switch (dialog_) {
    case Dialog::kShown:
      return "pending";
    case Dialog::kRefused:
      return "refused";
    case Dialog::kTrusted:
    case Dialog::kNone:
      break;
  }
  return hosts_.empty() ? "never" : "trusted";
}

void Phone::set_locked(bool locked) {
  MutexLock lock(mutex_);
  is_locked_ = locked;
}

bool Phone::is_locked() {
  MutexLock lock(mutex_);
  return is_locked_;
}

void Phone::set_busy(bool busy) {
  MutexLock lock(mutex_);
  is_busy_ = busy;
}

bool Phone::is_busy() {
  MutexLock lock(mutex_);
  return is_busy_;
}

void Phone::EnterPasscode() {
  MutexLock lock(mutex_);
  if (sheet_ == Sheet::kShown) sheet_ = Sheet::kEntered;
  changed_.NotifyAll();
}

void Phone::CancelPasscode() {
  MutexLock lock(mutex_);
  if (sheet_ == Sheet::kShown) sheet_ = Sheet::kCancelled;
  changed_.NotifyAll();
}

void Phone::set_passcode_mode(PasscodeMode mode) {
  MutexLock lock(mutex_);
  passcode_mode_ = mode;
}

bool Phone::has_passcode_sheet() {
  MutexLock lock(mutex_);
  return sheet_ == Sheet::kShown;
}

bool Phone::AwaitPasscode() {
  std::stop_token stop;
  absl::Duration timeout = options_.passcode_timeout;
  bool enters_itself = false;
  {
    MutexLock lock(mutex_);
    if (passcode_mode_ == PasscodeMode::kNone) return true;
    enters_itself = passcode_mode_ == PasscodeMode::kAuto;
    if (enters_itself) timeout = options_.passcode_after;
    sheet_ = Sheet::kShown;
    stop = attachment_.get_token();
  }
  PostNotification(kSheetPresented);
  bool entered = false;
  {
    MutexLock lock(mutex_);
    const auto closed = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return sheet_ != Sheet::kShown; };
    const CondVar::WaitResult wait = changed_.WaitFor(mutex_, stop, timeout, closed);
    entered =
        !wait.stopped && (sheet_ == Sheet::kEntered || (sheet_ == Sheet::kShown && enters_itself));
    sheet_ = Sheet::kNone;
  }
  PostNotification(kSheetDismissed);
  return entered;
}

std::uint64_t Phone::AddObserver(Observer observer) {
  MutexLock lock(mutex_);
  observers_.emplace(++last_observer_, std::move(observer));
  return last_observer_;
}

void Phone::RemoveObserver(std::uint64_t id) {
  MutexLock lock(mutex_);
  observers_.erase(id);
}

void Phone::PostNotification(const std::string& name) {
  MutexLock lock(mutex_);
  for (const auto& [id, observer] : observers_) observer(name);
}

std::shared_ptr<const FileTable> Phone::files() {
  MutexLock lock(mutex_);
  return files_;
}

void Phone::ReplaceFiles(FileTable table) {
  auto files = std::make_shared<const FileTable>(std::move(table));
  MutexLock lock(mutex_);
  files_.swap(files);
}

MutationResult Phone::Mutate(const MutationOptions& options) {
  FileTable table = *files();
  std::uint64_t round = 0;
  {
    MutexLock lock(mutex_);
    round = ++mutation_round_;
  }
  const MutationResult result = MutatePhoneContent(table, round, options);
  ReplaceFiles(std::move(table));
  return result;
}

absl::Status Phone::WriteHostFile(const std::string& path, std::string bytes) {
  MutexLock lock(mutex_);
  if (bytes.size() > kHostFileBytesMax ||
      (host_files_.size() >= kHostFilesMax && !host_files_.contains(path))) {
    return absl::ResourceExhaustedError("too much written over AFC");
  }
  host_files_[path] = std::move(bytes);
  return absl::OkStatus();
}

std::optional<std::string> Phone::ReadHostFile(const std::string& path) {
  MutexLock lock(mutex_);
  const auto file = host_files_.find(path);
  if (file == host_files_.end()) return std::nullopt;
  return file->second;
}

void Phone::RemoveHostFile(const std::string& path) {
  MutexLock lock(mutex_);
  host_files_.erase(path);
}

std::vector<std::string> Phone::HostFiles() {
  MutexLock lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& [path, bytes] : host_files_) paths.push_back(path);
  return paths;
}

bool Phone::LockSync(std::uint64_t owner) {
  MutexLock lock(mutex_);
  if (sync_owner_ && *sync_owner_ != owner) return false;
  sync_owner_ = owner;
  return true;
}

void Phone::UnlockSync(std::uint64_t owner) {
  MutexLock lock(mutex_);
  if (sync_owner_ == owner) sync_owner_.reset();
}

std::shared_ptr<const Keybag> Phone::keybag() {
  MutexLock lock(mutex_);
  return keybag_;
}

absl::Status Phone::ChangePassword(std::string_view old_password, std::string_view new_password) {
  {
    MutexLock lock(mutex_);
    if (password_ != old_password) {
      return absl::PermissionDeniedError("the old backup password is wrong");
    }
  }
  ForcePassword(new_password);
  return absl::OkStatus();
}

void Phone::ForcePassword(std::string_view new_password) {
  std::shared_ptr<const Keybag> bag;
  if (!new_password.empty()) {
    bag = std::make_shared<const Keybag>(Keybag::Make(new_password, options_.keybag_cost, random_));
  }
  MutexLock lock(mutex_);
  password_ = std::string(new_password);
  keybag_ = std::move(bag);
}

std::uint16_t Phone::OfferService(PendingService service) {
  MutexLock lock(mutex_);
  if (services_.size() >= kPendingServicesMax) services_.erase(services_.begin());
  last_port_ = last_port_ == 65535 ? kFirstPort : static_cast<std::uint16_t>(last_port_ + 1);
  services_.insert_or_assign(last_port_, std::move(service));
  return last_port_;
}

std::optional<Phone::PendingService> Phone::TakeService(std::uint16_t port) {
  MutexLock lock(mutex_);
  const auto found = services_.find(port);
  if (found == services_.end()) return std::nullopt;
  PendingService service = std::move(found->second);
  services_.erase(found);
  return service;
}

void Phone::Violation(std::string what) {
  MutexLock lock(mutex_);
  if (violations_.size() < kViolationsMax) violations_.push_back(std::move(what));
}

std::vector<std::string> Phone::violations() {
  MutexLock lock(mutex_);
  return violations_;
}

void Phone::ClearViolations() {
  MutexLock lock(mutex_);
  violations_.clear();
}

void Phone::Record(OperationRecord record) {
  MutexLock lock(mutex_);
  last_operation_ = std::move(record);
}

std::optional<OperationRecord> Phone::last_operation() {
  MutexLock lock(mutex_);
  return last_operation_;
}

void Phone::set_current_step(std::string step) {
  MutexLock lock(mutex_);
  step_ = std::move(step);
}

std::string Phone::current_step() {
  MutexLock lock(mutex_);
  return step_;
}

}  // namespace mooring::testing
