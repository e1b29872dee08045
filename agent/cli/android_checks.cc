#include "agent/cli/android_checks.h"

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "agent/android/adb_start.h"
#include "agent/android/phone_state.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(5);
constexpr std::array kRuleDirectories = {"/etc/udev/rules.d", "/run/udev/rules.d",
                                         "/usr/lib/udev/rules.d", "/lib/udev/rules.d"};
constexpr char kInstallAdb[] = "apt-get install adb";

Check Say(CheckResult result, std::string name, std::string detail, std::string next_step = "") {
  return {result, std::move(name), std::move(detail), std::move(next_step)};
}

Check CheckProgram(bool has_phones) {
  const std::string program = FindAdbProgram();
  if (!program.empty()) return Say(CheckResult::kOk, "adb", program);
  if (has_phones) {
    return Say(CheckResult::kFinding, "adb", "is not installed, and an Android phone is here",
               kInstallAdb);
  }
  return Say(CheckResult::kInformation, "adb", "is not installed; only Android phones need it");
}

// The rules name android in their files' names, on Debian and elsewhere.
Check CheckRules(FileSystem& files, bool refused) {
  for (const char* directory : kRuleDirectories) {
    const auto entries = files.List(directory);
    if (!entries.ok()) continue;
    for (const FileInfo& entry : *entries) {
      if (entry.name.find("android") == std::string::npos || refused) continue;
      return Say(CheckResult::kOk, "udev rules", fmt::format("{}/{}", directory, entry.name));
    }
  }
  if (refused) {
    return Say(CheckResult::kFinding, "udev rules",
               "the adb server may not open a phone's USB device",
               "apt-get install android-sdk-platform-tools-common, run the agent as root or in "
               "the group plugdev, and plug the phone in again");
  }
  return Say(CheckResult::kInformation, "udev rules",
             "none for Android phones; needed unless the adb server runs as root "
             "(apt-get install android-sdk-platform-tools-common)");
}

Check CheckServer(const OpContext& ctx, AdbServer& server, bool& runs) {
  const std::string where = server.address().ToSocketSpec();
  const absl::StatusOr<int> version = server.Version(ctx);
  runs = version.ok();
  if (runs) {
    return Say(CheckResult::kOk, "adb server", fmt::format("{}, protocol {}", where, *version));
  }
  if (absl::IsUnavailable(version.status()) && server.address().is_local()) {
    return Say(CheckResult::kInformation, "adb server",
               fmt::format("{}: does not run; the agent starts it when an Android phone with USB "
                           "debugging is plugged in",
                           where));
  }
  return Say(CheckResult::kFinding, "adb server",
             fmt::format("{}: {}", where, std::string(version.status().message())),
             "check ADB_SERVER_SOCKET and ANDROID_ADB_SERVER_PORT, and what listens there");
}

bool IsListed(const UsbPhone& phone, const std::vector<AdbListed>& listed) {
  return std::any_of(listed.begin(), listed.end(), [&](const AdbListed& one) {
    return one.usb_path == phone.path || (!phone.serial.empty() && one.serial == phone.serial);
  });
}

Check Unusable(const std::string& serial, PhoneState state) {
  const StateWords words = WordsOf(state);
  return Say(CheckResult::kFinding, "Android phone", fmt::format("{}: {}", serial, words.message),
             words.next_step);
}

}  // namespace

std::vector<Check> CheckAndroid(AdbServer& server, UsbBus& usb, FileSystem& files, Clock& clock) {
  OpContext ctx;
  ctx.deadline = clock.Now() + kPatience;
  const std::vector<UsbPhone> on_usb = usb.Phones();
  std::vector<Check> checks;
  checks.push_back(CheckProgram(!on_usb.empty()));
  bool runs = false;
  checks.push_back(CheckServer(ctx, server, runs));
  std::vector<AdbListed> listed;
  if (runs) {
    absl::StatusOr<std::vector<AdbListed>> asked = server.Devices(ctx);
    if (asked.ok()) listed = *std::move(asked);
  }
  const bool refused = std::any_of(listed.begin(), listed.end(), [](const AdbListed& one) {
    return one.state == AdbState::kNoPermissions;
  });
  checks.push_back(CheckRules(files, refused));
  for (const AdbListed& one : listed) {
    const PhoneState state = PhoneStateOf(one.state);
    if (state == PhoneState::kUsable) {
      checks.push_back(Say(CheckResult::kOk, "Android phone", one.serial));
    } else {
      checks.push_back(Unusable(one.serial, state));
    }
  }
  for (const UsbPhone& phone : on_usb) {
    if (IsListed(phone, listed) || phone.offers_adb) continue;
    checks.push_back(
        Unusable(phone.serial.empty() ? phone.product : phone.serial, PhoneState::kDebuggingOff));
  }
  return checks;
}

}  // namespace mooring::agent
