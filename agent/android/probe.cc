#include "agent/android/probe.h"

#include <algorithm>
#include <utility>

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include "agent/android/capabilities.h"
#include "agent/android/phone_identity.h"
#include "agent/android/phone_text.h"
#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kPropertiesBytesMax = std::size_t{1} << 20;
constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 10;
constexpr std::size_t kFactBytesMax = 128;

absl::StatusOr<std::string> Ask(const OpContext& ctx, AdbDevice& device, std::string_view command,
                                std::size_t bytes_max = kAnswerBytesMax) {
  MOORING_ASSIGN_OR_RETURN(ShellResult result, RunShell(ctx, device, command, bytes_max));
  if (result.exit.status != 0) return std::string();
  return std::move(result.output);
}

v1::DeviceFacts NoFacts(const std::string& serial) {
  v1::DeviceFacts facts;
  facts.set_platform(v1::PLATFORM_ANDROID);
  facts.set_serial(serial);
  facts.set_battery_percent(-1);
  return facts;
}

// Android sets it once the credential-encrypted storage is open (Android 7 and
// later); phones without it have no such lock.
bool IsUnlockedSinceStart(const Properties& properties) {
  return PropertyOf(properties, "sys.user.0.ce_available") != "false" &&
         PropertyOf(properties, "sys.boot_completed") != "0";
}

void SetNames(const Properties& properties, v1::DeviceFacts& facts) {
  const auto fact = [&](const char* name) {
    return CleanPhoneText(PropertyOf(properties, name), kFactBytesMax);
  };
  const std::string model = fact("ro.product.model");
  const std::string maker = fact("ro.product.manufacturer");
  facts.set_model(model.empty() ? maker : model);
  facts.set_os_version(fact("ro.build.version.release"));
  std::uint32_t sdk = 0;
  if (absl::SimpleAtoi(fact("ro.build.version.sdk"), &sdk) && sdk < 10'000) facts.set_sdk(sdk);
  const std::string own = fact("net.hostname");
  facts.set_name(own.empty() ? fmt::format("{} {}", maker, model) : own);
}

absl::StatusOr<v1::DeviceFacts> AskFacts(const OpContext& ctx, AdbDevice& device,
                                         const Properties& properties, const std::string& serial) {
  v1::DeviceFacts facts = NoFacts(serial);
  facts.set_trusted(true);
  SetNames(properties, facts);
  MOORING_ASSIGN_OR_RETURN(const std::string name,
                           Ask(ctx, device, "settings get global device_name"));
  const std::string given = CleanPhoneText(name, kFactBytesMax);
  if (!given.empty() && given != "null") facts.set_name(given);
  MOORING_ASSIGN_OR_RETURN(const std::string platform_id, AskPlatformId(ctx, device));
  facts.set_platform_id(platform_id);
  MOORING_ASSIGN_OR_RETURN(const std::string battery, Ask(ctx, device, "dumpsys battery"));
  facts.set_battery_percent(ParseBatteryPercent(battery).value_or(-1));
  MOORING_ASSIGN_OR_RETURN(const std::string df, Ask(ctx, device, "df -k /sdcard/"));
  const PhoneSpace space = ParseSpace(df).value_or(PhoneSpace());
  facts.set_capacity_bytes(space.total_bytes);
  facts.set_used_bytes(space.used_bytes);
  MOORING_ASSIGN_OR_RETURN(const std::string trust, Ask(ctx, device, "dumpsys trust"));
  facts.set_locked(!IsUnlockedSinceStart(properties) || ParseScreenLocked(trust).value_or(false));
  return facts;
}

// Whether this listed phone is the one called `serial`.
absl::StatusOr<bool> IsThePhone(const OpContext& ctx, AdbServer& server, const AdbListed& listed,
                                const std::string& serial, std::unique_ptr<AdbDevice>& device) {
  if (listed.state != AdbState::kDevice) return listed.serial == serial;
  MOORING_ASSIGN_OR_RETURN(device, server.Open(ctx, listed.transport_id));
  MOORING_ASSIGN_OR_RETURN(const std::string identity, IdentifyPhone(ctx, *device));
  return identity == serial || (!IsDistinctiveSerial(serial) && listed.serial == serial);
}

absl::Status NotHere() {
  return Failure(absl::StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED, "the phone is not attached",
                 "Check the cable and plug the phone in again");
}

// Not to be taken for Mooring's server, which an unexplained kUnavailable is.
absl::Status NoServer(const absl::Status& status) {
  if (DetailOf(status) || !absl::IsUnavailable(status)) return status;
  return Failure(absl::StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED, std::string(status.message()),
                 "Plug the phone in again; mooring-agent doctor tells whether adb works here");
}

absl::Status TwoPhones() {
  return Failure(absl::StatusCode::kFailedPrecondition, v1::CAUSE_PHONE_ERROR,
                 "two attached phones have the same serial number",
                 "Unplug one of them: they cannot be told apart while both are here");
}

}  // namespace

absl::StatusOr<AndroidPhone> FindAndroid(const OpContext& ctx, AdbServer& server, UsbBus& usb,
                                         const std::string& serial) {
  const absl::StatusOr<std::vector<AdbListed>> listed = server.Devices(ctx);
  AndroidPhone found;
  bool is_found = false;
  if (listed.ok()) {
    for (const AdbListed& one : *listed) {
      std::unique_ptr<AdbDevice> device;
      const absl::StatusOr<bool> is_it = IsThePhone(ctx, server, one, serial, device);
      // Another phone's trouble is not this one's.
      if (!is_it.ok() && one.serial != serial) continue;
      if (!is_it.ok()) return is_it.status();
      if (!*is_it) continue;
      if (is_found) return TwoPhones();
      is_found = true;
      found = {PhoneStateOf(one.state), std::move(device)};
    }
  }
  if (is_found) return found;
  for (const UsbPhone& phone : usb.Phones()) {
    if (phone.serial != serial) continue;
    if (!phone.offers_adb) return AndroidPhone{PhoneState::kDebuggingOff, nullptr};
    // A server that runs has yet to see it.
    return AndroidPhone{listed.ok() ? PhoneState::kOffline : PhoneState::kNoAdb, nullptr};
  }
  if (!listed.ok()) return NoServer(listed.status());
  return NotHere();
}

ProbeResult ProbeUnusable(const std::string& serial, PhoneState state) {
  const StateWords words = WordsOf(state);
  ProbeResult result;
  result.facts = NoFacts(serial);
  v1::Capability& debugging = *result.facts.add_capabilities();
  debugging.set_name("usb-debugging");
  debugging.set_state(v1::CAPABILITY_STATE_REFUSED);
  debugging.set_reason(words.message);
  debugging.set_next_step(words.next_step);
  result.waiting_for = words.waiting_for;
  result.message = fmt::format("{}: {}", words.message, words.next_step);
  return result;
}

absl::StatusOr<ProbeResult> ProbeAndroid(const OpContext& ctx, AdbDevice& device,
                                         const std::string& serial) {
  ProbeResult result;
  if (!device.features().contains("shell_v2")) {
    result = ProbeUnusable(serial, PhoneState::kOffline);
    v1::Capability& shell = *result.facts.mutable_capabilities(0);
    shell.set_reason("this Android is too old: version 7 or later is needed");
    shell.set_next_step("Update the phone, or copy its files over by hand");
    result.facts.set_trusted(true);
    result.waiting_for = v1::WAITING_FOR_UNSPECIFIED;
    result.message = fmt::format("{}: {}", shell.reason(), shell.next_step());
    return result;
  }
  MOORING_ASSIGN_OR_RETURN(const std::string printed,
                           Ask(ctx, device, "getprop", kPropertiesBytesMax));
  const Properties properties = ParseProperties(printed);
  MOORING_ASSIGN_OR_RETURN(result.facts, AskFacts(ctx, device, properties, serial));
  const bool unlocked = IsUnlockedSinceStart(properties);
  MOORING_ASSIGN_OR_RETURN(const std::vector<v1::Capability> capabilities,
                           AskCapabilities(ctx, device, properties, unlocked));
  for (const v1::Capability& capability : capabilities) {
    *result.facts.add_capabilities() = capability;
  }
  if (!unlocked) {
    result.waiting_for = v1::WAITING_FOR_UNLOCK;
    result.message = "The phone was not unlocked since it was started: unlock it once";
  }
  return result;
}

}  // namespace mooring::agent
