#include "agent/android/capabilities.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <absl/strings/match.h>
#include <fmt/format.h>

#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 10;
constexpr std::size_t kPolicyBytesMax = std::size_t{4} << 20;
constexpr std::size_t kCardsMax = 8;

constexpr char kUnlockFirst[] = "Unlock the phone once after it was started, then look again";

v1::Capability Capability(std::string_view name, v1::CapabilityState state,
                          std::string_view reason = "", std::string_view next_step = "") {
  v1::Capability capability;
  capability.set_name(std::string(name));
  capability.set_state(state);
  capability.set_reason(std::string(reason));
  capability.set_next_step(std::string(next_step));
  return capability;
}

// What the phone says when it cannot be asked at all, told from one that answered.
bool IsAnAnswer(const absl::Status& status) {
  return status.ok() || absl::IsOutOfRange(status);
}

// One command whose output is not looked at beyond what it says of a refusal.
absl::StatusOr<ShellResult> Ask(const OpContext& ctx, AdbDevice& device, std::string_view command,
                                std::size_t bytes_max = kAnswerBytesMax) {
  absl::StatusOr<ShellResult> result = RunShell(ctx, device, command, bytes_max);
  if (result.ok() || !IsAnAnswer(result.status())) return result;
  ShellResult too_much;
  too_much.exit.status = 1;
  too_much.exit.errors = "answered more than expected";
  return too_much;
}

struct Provider {
  std::string_view name;
  std::string_view uri;
};
constexpr std::array kProviders = {
    Provider{"contacts", "content://com.android.contacts/raw_contacts"},
    Provider{"sms", "content://sms"},
    Provider{"mms", "content://mms"},
    Provider{"call-log", "content://call_log/calls"},
    Provider{"calendar", "content://com.android.calendar/events"},
};

// A question that no row answers, so that nothing of the phone's content comes.
std::string NothingFrom(std::string_view uri) {
  return fmt::format("content query --uri {} --projection _id --where {}", uri,
                     QuoteForShell("_id=-1"));
}

v1::Capability JudgeProvider(const Provider& provider, const ShellResult& result) {
  const std::string said = result.output + result.exit.errors;
  const auto says = [&said](const char* word) { return absl::StrContains(said, word); };
  // Older phones print the error and end with 0.
  if (says("Permission Denial") || says("SecurityException")) {
    return Capability(provider.name, v1::CAPABILITY_STATE_REFUSED,
                      "this phone does not let USB debugging read it",
                      "Nothing to do: it is left out, and the backup says so");
  }
  if (says("Could not find provider") || says("Unknown URL") || says("Unknown URI")) {
    return Capability(provider.name, v1::CAPABILITY_STATE_ABSENT, "this phone has none");
  }
  if (result.exit.status != 0 || says("Error while accessing provider")) {
    return Capability(provider.name, v1::CAPABILITY_STATE_REFUSED,
                      "this phone answers with an error when it is read",
                      "Restart the phone and look again; it is left out until then");
  }
  return Capability(provider.name, v1::CAPABILITY_STATE_AVAILABLE);
}

absl::Status AskProviders(const OpContext& ctx, AdbDevice& device, bool unlocked,
                          std::vector<v1::Capability>& found) {
  for (const Provider& provider : kProviders) {
    if (!unlocked) {
      found.push_back(Capability(provider.name, v1::CAPABILITY_STATE_REFUSED,
                                 "the phone is locked since it was started", kUnlockFirst));
      continue;
    }
    MOORING_ASSIGN_OR_RETURN(const ShellResult result, Ask(ctx, device, NothingFrom(provider.uri)));
    found.push_back(JudgeProvider(provider, result));
  }
  return absl::OkStatus();
}

// `ls` of a directory, its names thrown away on the phone.
absl::StatusOr<bool> IsReadable(const OpContext& ctx, AdbDevice& device, std::string_view path) {
  MOORING_ASSIGN_OR_RETURN(const ShellResult result,
                           Ask(ctx, device, fmt::format("ls {} >/dev/null", QuoteForShell(path))));
  return result.exit.status == 0;
}

absl::Status AskStorage(const OpContext& ctx, AdbDevice& device, bool unlocked,
                        std::vector<v1::Capability>& found) {
  if (!unlocked) {
    found.push_back(Capability("storage", v1::CAPABILITY_STATE_REFUSED,
                               "the phone is locked since it was started", kUnlockFirst));
    return absl::OkStatus();
  }
  MOORING_ASSIGN_OR_RETURN(const bool storage, IsReadable(ctx, device, "/sdcard/"));
  found.push_back(storage ? Capability("storage", v1::CAPABILITY_STATE_AVAILABLE)
                          : Capability("storage", v1::CAPABILITY_STATE_REFUSED,
                                       "this phone does not show its shared storage",
                                       "Unlock the phone and plug it in again"));
  MOORING_ASSIGN_OR_RETURN(const bool data, IsReadable(ctx, device, "/sdcard/Android/data/"));
  found.push_back(data ? Capability("android-data", v1::CAPABILITY_STATE_AVAILABLE)
                       : Capability("android-data", v1::CAPABILITY_STATE_REFUSED,
                                    "this phone keeps the apps' folders in shared storage closed",
                                    "Use the apps' own export where something in them matters"));
  return absl::OkStatus();
}

// A card shows as /storage/XXXX-XXXX.
bool IsCardName(std::string_view name) {
  if (name.size() != 9 || name[4] != '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return c == '-' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
  });
}

absl::Status AskCards(const OpContext& ctx, AdbDevice& device, std::vector<v1::Capability>& found) {
  MOORING_ASSIGN_OR_RETURN(const ShellResult result, Ask(ctx, device, "ls /storage/"));
  std::size_t cards = 0;
  std::string_view rest = result.output;
  while (!rest.empty() && cards < kCardsMax) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (IsCardName(line)) ++cards;
  }
  found.push_back(cards == 0
                      ? Capability("sd-card", v1::CAPABILITY_STATE_ABSENT, "no card is in it")
                      : Capability("sd-card", v1::CAPABILITY_STATE_AVAILABLE));
  return absl::OkStatus();
}

absl::Status AskPackages(const OpContext& ctx, AdbDevice& device,
                         std::vector<v1::Capability>& found) {
  // Without --user 0 phones with a work profile throw.
  MOORING_ASSIGN_OR_RETURN(const ShellResult result,
                           Ask(ctx, device, "pm list packages -3 --user 0 >/dev/null"));
  found.push_back(result.exit.status == 0
                      ? Capability("installed-apps", v1::CAPABILITY_STATE_AVAILABLE)
                      : Capability("installed-apps", v1::CAPABILITY_STATE_REFUSED,
                                   "this phone does not list its apps"));
  return absl::OkStatus();
}

absl::Status AskUsers(const OpContext& ctx, AdbDevice& device, std::vector<v1::Capability>& found) {
  MOORING_ASSIGN_OR_RETURN(const ShellResult listed, Ask(ctx, device, "pm list users"));
  bool work_profile = false;
  bool others = false;
  for (const PhoneUser& user : ParseUsers(listed.output)) {
    work_profile = work_profile || user.is_work_profile;
    others = others || (user.id != 0 && !user.is_work_profile);
  }
  found.push_back(
      work_profile ? Capability("work-profile", v1::CAPABILITY_STATE_OUT_OF_REACH,
                                "the work profile is closed to USB debugging, by design",
                                "The company's device management keeps and restores what is in it")
                   : Capability("work-profile", v1::CAPABILITY_STATE_ABSENT, "the phone has none"));
  found.push_back(
      others ? Capability("other-users", v1::CAPABILITY_STATE_OUT_OF_REACH,
                          "other users and the maker's secure folder are closed to USB debugging",
                          "Move what must be backed up out of them")
             : Capability("other-users", v1::CAPABILITY_STATE_ABSENT, "the phone has one user"));
  MOORING_ASSIGN_OR_RETURN(const ShellResult policy,
                           Ask(ctx, device, "dumpsys device_policy", kPolicyBytesMax));
  found.push_back(
      HasDeviceOwner(policy.output)
          ? Capability("device-management", v1::CAPABILITY_STATE_AVAILABLE,
                       "the company manages the whole phone and may forbid USB debugging",
                       "If USB debugging goes off, ask the administrators of the device management")
          : Capability("device-management", v1::CAPABILITY_STATE_ABSENT,
                       "nobody manages the whole phone"));
  return absl::OkStatus();
}

v1::Capability Features(const AdbDevice& device) {
  std::string known;
  for (const char* feature : {"shell_v2", "stat_v2", "ls_v2", "abb_exec", "sendrecv_v2"}) {
    if (!device.features().contains(feature)) continue;
    known += (known.empty() ? "" : ", ") + std::string(feature);
  }
  return Capability("adb-features", v1::CAPABILITY_STATE_AVAILABLE, known);
}

v1::Capability Lock(const Properties& properties, bool unlocked) {
  const std::string encrypted = PropertyOf(properties, "ro.crypto.state");
  if (!unlocked) {
    return Capability("unlocked-since-start", v1::CAPABILITY_STATE_REFUSED,
                      "the phone was not unlocked since it was started", kUnlockFirst);
  }
  return Capability("unlocked-since-start", v1::CAPABILITY_STATE_AVAILABLE,
                    encrypted == "encrypted" ? "its storage is encrypted" : "");
}

}  // namespace

absl::StatusOr<std::vector<v1::Capability>> AskCapabilities(const OpContext& ctx, AdbDevice& device,
                                                            const Properties& properties,
                                                            bool unlocked_since_start) {
  std::vector<v1::Capability> found;
  found.push_back(Capability("usb-debugging", v1::CAPABILITY_STATE_AVAILABLE));
  found.push_back(Features(device));
  found.push_back(Lock(properties, unlocked_since_start));
  MOORING_RETURN_IF_ERROR(AskStorage(ctx, device, unlocked_since_start, found));
  MOORING_RETURN_IF_ERROR(AskCards(ctx, device, found));
  MOORING_RETURN_IF_ERROR(AskProviders(ctx, device, unlocked_since_start, found));
  MOORING_RETURN_IF_ERROR(AskPackages(ctx, device, found));
  found.push_back(Capability("settings", v1::CAPABILITY_STATE_AVAILABLE,
                             "those that are known to make sense on another phone"));
  MOORING_RETURN_IF_ERROR(AskUsers(ctx, device, found));
  found.push_back(Capability("app-data", v1::CAPABILITY_STATE_OUT_OF_REACH,
                             "Android keeps the private data of apps closed to USB debugging",
                             "Switch on each app's own backup or account sync"));
  return found;
}

}  // namespace mooring::agent
