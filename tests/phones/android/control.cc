#include "tests/phones/android/control.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/android/phone_json.h"
#include "tests/phones/common/json.h"
#include "tests/phones/common/words.h"

namespace mooring::testing::android {
namespace {

absl::StatusOr<AuthMode> ParseAuthMode(const std::string& text) {
  if (text == "auto") return AuthMode::kAuto;
  if (text == "ask") return AuthMode::kAsk;
  if (text == "refuse") return AuthMode::kRefuse;
  return absl::InvalidArgumentError("auth-mode is auto, ask or refuse");
}

}  // namespace

const std::vector<std::string>& HostileNames() {
  static const std::vector<std::string> names = {
      "endless-data",    "endless-fail", "endless-list",         "endless-shell", "forged-rows",
      "invalid-utf8",    "long-name",    "lying-sizes",          "no-exit",       "oversize-data",
      "oversize-packet", "shell-length", "shell-unknown-packet", "sync-names",    "tar-escape",
      "unknown-reply"};
  return names;
}

std::string Control::Execute(std::string_view line) {
  return CommandAnswer(Run(SplitWords(line)));
}

absl::StatusOr<std::string> Control::Run(const Words& words) {
  if (words.empty()) return absl::InvalidArgumentError("no command");
  if (words[0] == "list") {
    std::string phones;
    for (const std::string& serial : farm_.Phones()) {
      phones += (phones.empty() ? "" : ",") + Describe(*farm_.Find(serial));
    }
    return fmt::format(",\"phones\":[{}]", phones);
  }
  if (words[0] == "add") return Add(words);
  if (words[0] == "hostile-names") {
    return fmt::format(",\"names\":{}", JsonTexts(HostileNames()));
  }
  if (words.size() < 2) {
    return absl::InvalidArgumentError(
        fmt::format("{} needs a phone: its serial number, address or position from 0", words[0]));
  }
  const std::shared_ptr<AndroidPhone> phone = farm_.Find(words[1]);
  if (phone == nullptr) return absl::NotFoundError(fmt::format("no phone {}", words[1]));
  return RunOnPhone(*phone, words);
}

absl::StatusOr<std::string> Control::RunOnPhone(AndroidPhone& phone, const Words& words) {
  const std::string& command = words[0];
  const std::string argument = JoinWords(words, 2);
  if (command == "state") return fmt::format(",\"phone\":{}", Describe(phone));
  if (command == "dump") return Dump(phone, words);
  if (command == "violations") {
    return fmt::format(",\"violations\":{}", JsonTexts(phone.violations()));
  }
  if (command == "journal") return fmt::format(",\"journal\":{}", JsonTexts(phone.journal()));
  if (command == "writes") return fmt::format(",\"writes\":{}", JsonTexts(phone.files().writes()));
  if (command == "mutate") return Mutate(phone, words);
  if (command == "fault") return AddFault(phone, argument);
  if (Switch(phone, command)) return std::string();
  MOORING_ASSIGN_OR_RETURN(const bool is_known, Set(phone, words));
  if (!is_known) return absl::InvalidArgumentError(fmt::format("no command is called {}", command));
  return std::string();
}

bool Control::Switch(AndroidPhone& phone, const std::string& command) {
  const std::string& serial = phone.identity().serial;
  const std::map<std::string_view, std::function<void()>> simple = {
      {"attach", [&] { farm_.Attach(serial); }},
      {"detach", [&] { farm_.Detach(serial); }},
      {"replug",
       [&] {
         farm_.Detach(serial);
         farm_.AttachLater(serial, absl::Milliseconds(200));
       }},
      {"authorize", [&] { phone.Authorize(); }},
      {"refuse", [&] { phone.Refuse(); }},
      {"forget-keys", [&] { phone.ForgetKeys(); }},
      {"lock", [&] { phone.Lock(); }},
      {"unlock", [&] { phone.Unlock(); }},
      {"locked-since-boot", [&] { phone.LockSinceBoot(); }},
      {"clear-faults", [&] { phone.faults().Clear(); }},
      {"clear-denied", [&] { phone.files().ClearDenied(); }},
      {"clear-violations", [&] { phone.ClearViolations(); }},
      {"clear-journal", [&] { phone.ClearJournal(); }},
  };
  const auto found = simple.find(command);
  if (found == simple.end()) return false;
  found->second();
  return true;
}

absl::StatusOr<bool> Control::Set(AndroidPhone& phone, const Words& words) {
  const std::string& command = words[0];
  const std::string argument = JoinWords(words, 2);
  if (command == "auth-mode") {
    MOORING_ASSIGN_OR_RETURN(const AuthMode mode, ParseAuthMode(argument));
    phone.set_auth_mode(mode);
  } else if (command == "set") {
    MOORING_ASSIGN_OR_RETURN(auto numbers, ParseNumbers(words, 2));
    for (const auto& [name, value] : numbers) {
      if (name == "battery") {
        phone.set_battery(static_cast<std::uint32_t>(value));
      } else if (name == "capacity") {
        phone.files().set_capacity_bytes(value);
      } else if (name == "android-data") {
        phone.files().set_android_data_readable(value != 0);
      } else {
        return absl::InvalidArgumentError(fmt::format("{} cannot be set", name));
      }
    }
  } else if (command == "deny") {
    phone.files().Deny(argument.starts_with("path=") ? argument.substr(5) : argument);
  } else if (command == "provider" && words.size() == 4 &&
             (words[2] == "refuse" || words[2] == "allow")) {
    words[2] == "refuse" ? phone.providers().Refuse(words[3]) : phone.providers().Allow(words[3]);
  } else if (command == "installs") {
    phone.packages().RefuseInstalls(argument == "allow" ? "" : argument);
  } else if (command == "hostile") {
    const bool is_known =
        std::find(HostileNames().begin(), HostileNames().end(), argument) != HostileNames().end();
    if (!is_known && argument != "off") {
      return absl::InvalidArgumentError(fmt::format("no attack is called {}", argument));
    }
    phone.set_hostile(is_known ? argument : "");
  } else {
    return false;
  }
  return true;
}

absl::StatusOr<std::string> Control::Mutate(AndroidPhone& phone, const Words& words) {
  MOORING_ASSIGN_OR_RETURN(auto numbers, ParseNumbers(words, 2));
  MutationOptions options;
  for (const auto& [name, value] : numbers) {
    if (name == "adds") {
      options.adds = value;
    } else if (name == "changes") {
      options.changes = value;
    } else if (name == "deletes") {
      options.deletes = value;
    } else if (name == "stealth") {
      options.stealth = value;
    } else if (name == "messages") {
      options.messages = value;
    } else {
      return absl::InvalidArgumentError(fmt::format("mutate has no parameter {}", name));
    }
  }
  const MutationResult result = phone.Mutate(options);
  return fmt::format(",\"added\":{},\"changed\":{},\"deleted\":{},\"stealth\":{}", result.added,
                     result.changed, result.deleted, result.stealthy);
}

absl::StatusOr<std::string> Control::AddFault(AndroidPhone& phone, const std::string& text) {
  // "disconnect" is what adb's own tools call an unplug.
  const std::string own = text.starts_with("disconnect") ? "unplug" + text.substr(10) : text;
  MOORING_ASSIGN_OR_RETURN(Fault fault, ParseFault(own));
  const bool is_now = !fault.after_bytes && !fault.after_received && fault.random_below == 0;
  if (fault.kind == FaultKind::kUnplug && is_now) {
    farm_.Detach(phone.identity().serial);
    if (fault.delay_ms > 0) {
      farm_.AttachLater(phone.identity().serial,
                        absl::Milliseconds(static_cast<std::int64_t>(fault.delay_ms)));
    }
    return std::string();
  }
  phone.AddFault(std::move(fault));
  return std::string();
}

absl::StatusOr<std::string> Control::Add(const Words& words) {
  AndroidPhoneOptions options = defaults_;
  std::vector<std::string> numeric;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "empty") {
      options.content.empty = true;
    } else if (words[i] == "work-profile") {
      options.content.work_profile = true;
    } else if (words[i] == "hostile-rows") {
      options.content.hostile_rows = true;
    } else if (words[i] == "sd-card") {
      options.content.sd_card = "1A2B-3C4D";
    } else if (words[i] == "locked-since-boot") {
      options.is_locked_since_boot = true;
    } else if (words[i].starts_with("name=")) {
      options.name = words[i].substr(5);
    } else if (words[i].starts_with("auth-mode=")) {
      MOORING_ASSIGN_OR_RETURN(options.auth, ParseAuthMode(words[i].substr(10)));
    } else {
      numeric.push_back(words[i]);
    }
  }
  MOORING_ASSIGN_OR_RETURN(auto numbers, ParseNumbers(numeric, 0));
  std::uint64_t seed = farm_.Phones().size() + 1;
  for (const auto& [name, value] : numbers) {
    const std::map<std::string_view, std::size_t*> counts = {
        {"files", &options.content.files},       {"messages", &options.content.messages},
        {"contacts", &options.content.contacts}, {"calls", &options.content.calls},
        {"events", &options.content.events},     {"apps", &options.content.apps}};
    if (const auto count = counts.find(name); count != counts.end()) {
      *count->second = value;
    } else if (name == "seed") {
      seed = value;
    } else if (name == "bytes") {
      options.content.bytes = value;
    } else if (name == "big") {
      options.content.big_file = value;
    } else if (name == "capacity") {
      options.capacity_bytes = value;
    } else if (name == "battery") {
      options.battery_percent = static_cast<std::uint32_t>(value);
    } else if (name == "android" && value >= 9 && value <= 16) {
      options.android = static_cast<int>(value);
    } else {
      return absl::InvalidArgumentError(fmt::format("add does not take {}={}", name, value));
    }
  }
  if (farm_.Find(MakeIdentity(seed, options.android, "").serial) != nullptr) {
    return absl::AlreadyExistsError(fmt::format("there is a phone of seed {}", seed));
  }
  const std::string serial = farm_.AddPhone(seed, std::move(options));
  return fmt::format(",\"serial\":{},\"address\":{}", JsonText(serial),
                     JsonText(farm_.Address(serial)));
}

std::string Control::Describe(AndroidPhone& phone) {
  const std::string& serial = phone.identity().serial;
  return PhoneJson(phone, farm_.Address(serial), farm_.IsAttached(serial));
}

absl::StatusOr<std::string> Control::Dump(AndroidPhone& phone, const Words& words) {
  std::string json = fmt::format(",\"phone\":{}", Describe(phone));
  if (words.size() > 2 && words[2] == "files=0") return json;
  MOORING_ASSIGN_OR_RETURN(const std::vector<DumpedFile> files,
                           farm_.Dump(phone.identity().serial));
  MOORING_ASSIGN_OR_RETURN(const std::string packages, PackagesJson(phone));
  return json + fmt::format(",\"files\":{},\"records\":{},\"settings\":{},\"packages\":{}",
                            FilesJson(files), RecordsJson(phone.providers()), SettingsJson(phone),
                            packages);
}

}  // namespace mooring::testing::android
