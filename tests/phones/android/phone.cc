#include "tests/phones/android/phone.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace mooring::testing::android {
namespace {

constexpr std::size_t kViolationsKept = 200;
constexpr std::size_t kJournalKept = 1'000;
constexpr std::size_t kJournalTextMax = 400;

int SdkOf(int android) {
  switch (android) {
    case 9:
    case 10:
    case 11:
      return android + 19;
    case 12:
      return 31;
    default:
      return android + 20;  // 13 is 33: 12L took 32.
  }
}

PhoneFiles::Options FileOptions(const AndroidPhoneOptions& options) {
  return {.android = options.android,
          .capacity_bytes = options.capacity_bytes,
          .android_data_readable = options.android_data.value_or(options.android <= 12),
          .sd_card = options.content.sd_card};
}

}  // namespace

PhoneIdentity MakeIdentity(std::uint64_t seed, int android, std::string_view model) {
  static constexpr std::array<std::array<const char*, 4>, 4> kModels = {
      {{"Google", "Pixel 7", "panther", "panther"},
       {"samsung", "SM-A546B", "a54xnaxx", "a54x"},
       {"Xiaomi", "2201117TY", "spes_global", "spes"},
       {"Fairphone", "FP4", "FP4", "FP4"}}};
  const auto& known = kModels[Scramble(seed) % kModels.size()];
  PhoneIdentity identity;
  // Sixteen characters, as many phones have.
  identity.serial = fmt::format("SIM{:02}{:011X}", android, Scramble(seed) & 0xFFFFFFFFFFF);
  identity.manufacturer = known[0];
  identity.model = model.empty() ? known[1] : std::string(model);
  identity.product = known[2];
  identity.device = known[3];
  identity.release = fmt::format("{}", android);
  identity.sdk = SdkOf(android);
  identity.fingerprint =
      fmt::format("{}/{}/{}:{}/SIM1.{}/{}:user/release-keys", identity.manufacturer,
                  identity.product, identity.device, identity.release, identity.sdk, seed);
  return identity;
}

AndroidPhone::AndroidPhone(AndroidPhoneOptions options, ContentLibrary& library, Clock& clock)
    : options_(std::move(options)),
      identity_(MakeIdentity(options_.content.seed, options_.android, options_.name)),
      library_(library),
      clock_(clock),
      files_(FileOptions(options_), library, faults_, clock),
      providers_(options_.android),
      packages_(files_),
      settings_(MakeSettings(options_.content)),
      is_locked_(options_.is_locked || options_.is_locked_since_boot),
      is_locked_since_boot_(options_.is_locked_since_boot),
      battery_(options_.battery_percent),
      auth_mode_(options_.auth) {
  MakeFiles(options_.content, files_);
  MakePackages(options_.content, packages_);
  MakeRecords(options_.content, providers_);
  files_.set_locked_since_boot(options_.is_locked_since_boot);
}

std::map<std::string, std::string> AndroidPhone::Properties() {
  const bool is_unlocked = !is_locked_since_boot();
  std::map<std::string, std::string> properties = {
      {"gsm.sim.state", "LOADED"},
      {"persist.sys.locale", "en-US"},
      {"persist.sys.timezone", "Europe/Berlin"},
      {"persist.sys.usb.config", "mtp,adb"},
      {"ro.boot.serialno", identity_.serial},
      {"ro.build.characteristics", "default"},
      {"ro.build.fingerprint", identity_.fingerprint},
      {"ro.build.type", "user"},
      {"ro.build.version.incremental", "1"},
      {"ro.build.version.release", identity_.release},
      {"ro.build.version.sdk", fmt::format("{}", identity_.sdk)},
      {"ro.build.version.security_patch", "2024-03-05"},
      {"ro.crypto.state", "encrypted"},
      {"ro.crypto.type", "file"},
      {"ro.debuggable", "0"},
      {"ro.product.brand", identity_.manufacturer},
      {"ro.product.cpu.abi", "arm64-v8a"},
      {"ro.product.cpu.abilist", "arm64-v8a,armeabi-v7a,armeabi"},
      {"ro.product.device", identity_.device},
      {"ro.product.manufacturer", identity_.manufacturer},
      {"ro.product.model", identity_.model},
      {"ro.product.name", identity_.product},
      {"ro.secure", "1"},
      {"ro.serialno", identity_.serial},
      {"ro.sf.lcd_density", "420"},
      {"sys.boot_completed", "1"},
      {"sys.usb.state", "mtp,adb"},
  };
  if (options_.android >= 11) {
    properties["sys.user.0.ce_available"] = is_unlocked ? "true" : "false";
  }
  if (options_.content.work_profile) properties["ro.organization_owned"] = "false";
  if (IsHostile("invalid-utf8")) properties["ro.product.model"] = "\xFF\xFEphone\xC3";
  if (IsHostile("forged-rows")) {
    properties["ro.product.model"] = "x]\n[ro.serialno]: [FORGED";
  }
  return properties;
}

std::vector<std::string> AndroidPhone::Features() const {
  std::vector<std::string> features = {"shell_v2", "cmd", "stat_v2"};
  // sendrecv_v2 and delayed_ack are left out of what Android 11 and later offer: hosts would use
  // them, and they are not simulated.
  if (options_.android >= 10) {
    features.emplace_back("apex");
    features.emplace_back("fixed_push_mkdir");
  }
  if (options_.android >= 11) {
    for (const char* name :
         {"abb_exec", "fixed_push_symlink_timestamp", "ls_v2", "remount_shell"}) {
      features.emplace_back(name);
    }
  }
  if (options_.android >= 12) features.emplace_back("track_app");
  return features;
}

bool AndroidPhone::HasFeature(std::string_view name) const {
  const std::vector<std::string> features = Features();
  return std::find(features.begin(), features.end(), name) != features.end();
}

std::optional<std::string> AndroidPhone::Setting(const std::string& space, const std::string& key) {
  MutexLock lock(mutex_);
  const auto& settings = settings_[space];
  const auto found = settings.find(key);
  if (found == settings.end()) return std::nullopt;
  return found->second;
}

std::map<std::string, std::string> AndroidPhone::SettingsOf(const std::string& space) {
  MutexLock lock(mutex_);
  return settings_[space];
}

void AndroidPhone::PutSetting(const std::string& space, const std::string& key,
                              const std::string& value) {
  MutexLock lock(mutex_);
  settings_[space][key] = value;
}

void AndroidPhone::DeleteSetting(const std::string& space, const std::string& key) {
  MutexLock lock(mutex_);
  settings_[space].erase(key);
}

void AndroidPhone::Lock() {
  MutexLock lock(mutex_);
  is_locked_ = true;
}

void AndroidPhone::Unlock() {
  {
    MutexLock lock(mutex_);
    is_locked_ = is_locked_since_boot_ = false;
  }
  files_.set_locked_since_boot(false);
}

void AndroidPhone::LockSinceBoot() {
  {
    MutexLock lock(mutex_);
    is_locked_ = is_locked_since_boot_ = true;
  }
  files_.set_locked_since_boot(true);
}

bool AndroidPhone::is_locked() {
  MutexLock lock(mutex_);
  return is_locked_;
}

bool AndroidPhone::is_locked_since_boot() {
  MutexLock lock(mutex_);
  return is_locked_since_boot_;
}

void AndroidPhone::set_battery(std::uint32_t percent) {
  MutexLock lock(mutex_);
  battery_ = percent;
}

std::uint32_t AndroidPhone::battery() {
  MutexLock lock(mutex_);
  return battery_;
}

void AndroidPhone::SetAppOp(const std::string& package, const std::string& op,
                            const std::string& mode) {
  {
    MutexLock lock(mutex_);
    app_ops_[package + " " + op] = mode;
  }
  if (package == "com.android.shell" && op == "WRITE_SMS") {
    providers_.set_sms_writable(mode == "allow" && options_.honors_sms_appop);
  }
}

std::string AndroidPhone::AppOp(const std::string& package, const std::string& op) {
  MutexLock lock(mutex_);
  const auto found = app_ops_.find(package + " " + op);
  return found == app_ops_.end() ? "default" : found->second;
}

void AndroidPhone::set_auth_mode(AuthMode mode) {
  MutexLock lock(mutex_);
  auth_mode_ = mode;
}

AuthMode AndroidPhone::auth_mode() {
  MutexLock lock(mutex_);
  return auth_mode_;
}

std::vector<std::string> AndroidPhone::keys() {
  MutexLock lock(mutex_);
  return {keys_.begin(), keys_.end()};
}

void AndroidPhone::AskFor(const std::string& key) {
  MutexLock lock(mutex_);
  is_refused_ = auth_mode_ == AuthMode::kRefuse;
  if (auth_mode_ == AuthMode::kAuto) {
    keys_.insert(key);
  } else if (auth_mode_ == AuthMode::kAsk) {
    asking_ = key;
  }
}

int AndroidPhone::AnswerFor(const std::string& key) {
  MutexLock lock(mutex_);
  if (keys_.contains(key)) return 1;
  return is_refused_ || asking_ != key ? -1 : 0;
}

void AndroidPhone::Authorize() {
  MutexLock lock(mutex_);
  if (!asking_.empty()) keys_.insert(std::exchange(asking_, {}));
  is_refused_ = false;
}

void AndroidPhone::Refuse() {
  MutexLock lock(mutex_);
  asking_.clear();
  is_refused_ = true;
}

void AndroidPhone::ForgetKeys() {
  MutexLock lock(mutex_);
  keys_.clear();
}

std::string AndroidPhone::auth_state() {
  MutexLock lock(mutex_);
  if (!asking_.empty()) return "asking";
  if (is_refused_) return "refused";
  return keys_.empty() ? "unauthorized" : "authorized";
}

MutationResult AndroidPhone::Mutate(const MutationOptions& options) {
  std::uint64_t round = 0;
  {
    MutexLock lock(mutex_);
    round = ++rounds_;
  }
  return MutateContent(files_, providers_, round, options);
}

void AndroidPhone::AddFault(Fault fault) {
  if (fault.random_below > 0) fault.after_bytes = random_.Below(fault.random_below);
  if (fault.kind == FaultKind::kUnplug || fault.kind == FaultKind::kStall) {
    MutexLock lock(mutex_);
    if (fault.after_bytes) *fault.after_bytes += bytes_sent_;
    if (fault.after_received) *fault.after_received += bytes_received_;
  }
  faults_.Add(std::move(fault));
}

void AndroidPhone::set_hostile(std::string name) {
  MutexLock lock(mutex_);
  hostile_ = std::move(name);
}

bool AndroidPhone::IsHostile(std::string_view name) {
  MutexLock lock(mutex_);
  return hostile_ == name;
}

std::string AndroidPhone::hostile() {
  MutexLock lock(mutex_);
  return hostile_;
}

void AndroidPhone::AddViolation(std::string text) {
  MutexLock lock(mutex_);
  if (violations_.size() < kViolationsKept) violations_.push_back(std::move(text));
}

std::vector<std::string> AndroidPhone::violations() {
  MutexLock lock(mutex_);
  return violations_;
}

void AndroidPhone::ClearViolations() {
  MutexLock lock(mutex_);
  violations_.clear();
}

void AndroidPhone::NoteService(std::string service) {
  if (service.size() > kJournalTextMax) service.resize(kJournalTextMax);
  std::replace(service.begin(), service.end(), '\0', ' ');
  MutexLock lock(mutex_);
  if (journal_.size() >= kJournalKept) journal_.erase(journal_.begin());
  journal_.push_back(std::move(service));
}

std::vector<std::string> AndroidPhone::journal() {
  MutexLock lock(mutex_);
  return journal_;
}

void AndroidPhone::ClearJournal() {
  MutexLock lock(mutex_);
  journal_.clear();
}

std::uint64_t AndroidPhone::CountSent(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  return std::exchange(bytes_sent_, bytes_sent_ + bytes);
}

std::uint64_t AndroidPhone::CountReceived(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  return std::exchange(bytes_received_, bytes_received_ + bytes);
}

void AndroidPhone::CountFileBytes(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  file_bytes_sent_ += bytes;
}

std::uint64_t AndroidPhone::file_bytes_sent() {
  MutexLock lock(mutex_);
  return file_bytes_sent_;
}

std::uint64_t AndroidPhone::bytes_sent() {
  MutexLock lock(mutex_);
  return bytes_sent_;
}

std::uint64_t AndroidPhone::bytes_received() {
  MutexLock lock(mutex_);
  return bytes_received_;
}

}  // namespace mooring::testing::android
