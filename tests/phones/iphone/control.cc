#include "tests/phones/iphone/control.h"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/common/json.h"
#include "tests/phones/common/words.h"
#include "tests/phones/iphone/hostile.h"

namespace mooring::testing {
namespace {

std::string DescribeOperation(const std::optional<OperationRecord>& record) {
  if (!record) return "null";
  return fmt::format(
      "{{\"operation\":{},\"full\":{},\"full_reason\":{},\"error_code\":{},\"finished\":{},"
      "\"files_sent\":{},\"bytes_sent\":{},\"files_removed\":{},\"files_received\":{}}}",
      JsonText(record->operation), record->is_full, JsonText(record->full_reason),
      record->error_code, record->is_finished, record->files_sent, record->bytes_sent,
      record->files_removed, record->files_received);
}

}  // namespace

std::string Control::Execute(std::string_view line) {
  return CommandAnswer(Run(SplitWords(line)));
}

absl::StatusOr<std::string> Control::Run(const Words& words) {
  if (words.empty()) return absl::InvalidArgumentError("no command");
  if (words[0] == "list") {
    std::string phones;
    for (const std::string& udid : farm_.Phones()) {
      phones += (phones.empty() ? "" : ",") + Describe(*farm_.Find(udid));
    }
    return fmt::format(",\"phones\":[{}],\"usbmuxd_violations\":{}", phones,
                       JsonTexts(farm_.UsbmuxdViolations()));
  }
  if (words[0] == "add") return Add(words);
  if (words[0] == "hostile-names") {
    std::vector<std::string> names;
    for (const std::string_view name : HostileNames()) names.emplace_back(name);
    return fmt::format(",\"names\":{}", JsonTexts(names));
  }
  if (words.size() < 2) {
    return absl::InvalidArgumentError(
        fmt::format("{} needs a phone: its UDID, serial number or "
                    "position from 0",
                    words[0]));
  }
  const std::shared_ptr<Phone> phone = farm_.Find(words[1]);
  if (phone == nullptr) return absl::NotFoundError(fmt::format("no phone {}", words[1]));
  return RunOnPhone(*phone, words);
}

absl::StatusOr<std::string> Control::RunOnPhone(Phone& phone, const Words& words) {
  const std::string& command = words[0];
  const std::string& udid = phone.identity().udid;
  const std::string argument = JoinWords(words, 2);
  if (command == "state") return fmt::format(",\"phone\":{}", Describe(phone));
  if (command == "dump") return Dump(phone, words);
  if (command == "violations") {
    return fmt::format(",\"violations\":{}", JsonTexts(phone.violations()));
  }
  if (command == "fault") {
    MOORING_ASSIGN_OR_RETURN(Fault fault, ParseFault(argument));
    if (fault.random_below > 0) fault.after_bytes = phone.random().Below(fault.random_below);
    phone.faults().Add(std::move(fault));
    return std::string();
  }
  if (command == "mutate") {
    MOORING_ASSIGN_OR_RETURN(auto numbers, ParseNumbers(words, 2));
    MutationOptions options;
    if (numbers.contains("adds")) options.adds = numbers["adds"];
    if (numbers.contains("changes")) options.changes = numbers["changes"];
    if (numbers.contains("deletes")) options.deletes = numbers["deletes"];
    const MutationResult result = phone.Mutate(options);
    return fmt::format(",\"added\":{},\"changed\":{},\"deleted\":{}", result.added, result.changed,
                       result.deleted);
  }
  if (command == "replug") {
    farm_.Detach(udid);
    farm_.AttachLater(udid, absl::Milliseconds(200));
    return std::string();
  }
  if (command == "trust-mode" || command == "passcode-mode") {
    if (argument == "auto") {
      command == "trust-mode" ? phone.set_trust_mode(TrustMode::kAuto)
                              : phone.set_passcode_mode(PasscodeMode::kAuto);
    } else if (command == "trust-mode" && (argument == "ask" || argument == "refuse")) {
      phone.set_trust_mode(argument == "ask" ? TrustMode::kAsk : TrustMode::kRefuse);
    } else if (command == "passcode-mode" && (argument == "none" || argument == "wait")) {
      phone.set_passcode_mode(argument == "none" ? PasscodeMode::kNone : PasscodeMode::kWait);
    } else {
      return absl::InvalidArgumentError(fmt::format("{} does not know {}", command, argument));
    }
    return std::string();
  }
  const std::map<std::string_view, std::function<void()>> simple = {
      {"attach", [&] { farm_.Attach(udid); }},
      {"detach", [&] { farm_.Detach(udid); }},
      {"trust", [&] { phone.Trust(); }},
      {"refuse", [&] { phone.Refuse(); }},
      {"forget-hosts", [&] { phone.ForgetAllHosts(); }},
      {"lock", [&] { phone.set_locked(true); }},
      {"unlock", [&] { phone.set_locked(false); }},
      {"busy", [&] { phone.set_busy(true); }},
      {"idle", [&] { phone.set_busy(false); }},
      {"passcode", [&] { phone.EnterPasscode(); }},
      {"passcode-cancel", [&] { phone.CancelPasscode(); }},
      {"set-password", [&] { phone.ForcePassword(argument); }},
      {"notify", [&] { phone.PostNotification(argument); }},
      {"clear-faults", [&] { phone.faults().Clear(); }},
      {"clear-violations", [&] { phone.ClearViolations(); }},
  };
  const auto found = simple.find(command);
  if (found == simple.end()) {
    return absl::InvalidArgumentError(fmt::format("no command is called {}", command));
  }
  found->second();
  return std::string();
}

absl::StatusOr<std::string> Control::Add(const Words& words) {
  PhoneOptions options = defaults_;
  std::vector<std::string> numeric;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "empty") {
      options.content.empty = true;
    } else if (words[i] == "sensitive") {
      options.content.sensitive = true;
    } else if (words[i].starts_with("name=")) {
      options.name = words[i].substr(5);
    } else {
      numeric.push_back(words[i]);
    }
  }
  MOORING_ASSIGN_OR_RETURN(auto numbers, ParseNumbers(numeric, 0));
  const std::uint64_t seed = numbers.contains("seed") ? numbers["seed"] : farm_.Phones().size() + 1;
  options.content.seed = seed;
  if (numbers.contains("files")) options.content.files = numbers["files"];
  if (numbers.contains("bytes")) options.content.bytes = numbers["bytes"];
  if (numbers.contains("capacity")) options.capacity_bytes = numbers["capacity"];
  if (farm_.Find(MakeIdentity(seed, "").udid) != nullptr) {
    return absl::AlreadyExistsError(fmt::format("there is a phone of seed {}", seed));
  }
  return fmt::format(",\"udid\":{}", JsonText(farm_.AddPhone(seed, std::move(options))));
}

std::string Control::Describe(Phone& phone) {
  const PhoneIdentity& identity = phone.identity();
  const std::shared_ptr<const FileTable> files = phone.files();
  return fmt::format(
      "{{\"udid\":{},\"serial\":{},\"name\":{},\"product_type\":{},\"ios_version\":{},"
      "\"attached\":{},\"trust\":{},\"locked\":{},\"busy\":{},\"passcode_sheet\":{},"
      "\"encrypted\":{},\"step\":{},\"entries\":{},\"content_bytes\":{},\"capacity_bytes\":{},"
      "\"host_files\":{},\"last_operation\":{},\"violations\":{}}}",
      JsonText(identity.udid), JsonText(identity.serial), JsonText(identity.name),
      JsonText(identity.product_type), JsonText(identity.ios_version),
      farm_.IsAttached(identity.udid), JsonText(phone.trust_state()), phone.is_locked(),
      phone.is_busy(), phone.has_passcode_sheet(), phone.keybag() != nullptr,
      JsonText(phone.current_step()), files->files().size(), files->content_bytes(),
      phone.options().capacity_bytes, JsonTexts(phone.HostFiles()),
      DescribeOperation(phone.last_operation()), JsonTexts(phone.violations()));
}

absl::StatusOr<std::string> Control::Dump(Phone& phone, const Words& words) {
  std::string json = fmt::format(",\"phone\":{}", Describe(phone));
  if (words.size() > 2 && words[2] == "files=0") return json;
  MOORING_ASSIGN_OR_RETURN(const std::vector<DumpedFile> files, farm_.Dump(phone.identity().udid));
  json += ",\"files\":[";
  for (const DumpedFile& file : files) {
    if (&file != &files.front()) json += ',';
    json += fmt::format(
        "{{\"domain\":{},\"path\":{},\"kind\":{},\"size\":{},\"mtime\":{},\"mode\":{},"
        "\"sha256\":{},\"target\":{},\"encrypted_only\":{}}}",
        JsonText(file.domain), JsonText(file.path),
        file.kind == FileEntry::Kind::kFile        ? "\"file\""
        : file.kind == FileEntry::Kind::kDirectory ? "\"directory\""
                                                   : "\"symlink\"",
        file.size_bytes, file.modified_unix, file.mode, JsonText(file.sha256),
        JsonText(file.target), file.encrypted_only);
  }
  return json + "]";
}

}  // namespace mooring::testing
