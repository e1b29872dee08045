#include "agent/cli/platforms.h"

#include <cstdlib>
#include <utility>

#include "agent/android/adb_monitor.h"
#include "agent/android/android_engine.h"
#include "agent/cli/android_checks.h"
#include "agent/ios/ios_engine.h"
#include "agent/ios/ios_monitor.h"
#include "storage/base/file.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr char kUsbDevices[] = "/sys/bus/usb/devices";

}  // namespace

PlatformEngines::PlatformEngines(Clock& clock, Random& random)
    : clock_(clock), random_(random), usb_(RealFileSystem(), kUsbDevices) {
  absl::StatusOr<AdbAddress> address = AdbAddressOf(std::getenv);
  adb_status_ = address.status();
  if (address.ok()) adb_.emplace(clock, *std::move(address));
}

absl::StatusOr<std::unique_ptr<Engine>> PlatformEngines::Make(v1::Platform platform,
                                                              const std::string& serial,
                                                              const EngineOptions& options) {
  switch (platform) {
    case v1::PLATFORM_IOS:
      return MakeIosEngine(serial, IosDependencies{clock_, random_, IosPatience()});
    case v1::PLATFORM_ANDROID: {
      MOORING_RETURN_IF_ERROR(adb_status_);
      AndroidPatience patience;
      if (options.unplugged_wait > absl::ZeroDuration()) {
        patience.unplugged = options.unplugged_wait;
      }
      return MakeAndroidEngine(serial, AndroidDependencies{clock_, *adb_, usb_, patience});
    }
    default:
      return absl::UnimplementedError("this agent knows iPhones, iPads and Android phones alone");
  }
}

absl::StatusOr<std::vector<std::unique_ptr<DeviceMonitor>>> PlatformEngines::StartMonitors(
    DeviceMonitor::Listener& listener) {
  std::vector<std::unique_ptr<DeviceMonitor>> monitors;
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<IosMonitor> ios, IosMonitor::Start(listener));
  monitors.push_back(std::move(ios));
  // Without a place for adb iPhones are served all the same; doctor says why.
  if (adb_) monitors.push_back(std::make_unique<AdbMonitor>(*adb_, usb_, clock_, listener));
  return monitors;
}

std::vector<Check> PlatformEngines::RunChecks() {
  if (adb_) return CheckAndroid(*adb_, usb_, RealFileSystem(), clock_);
  return {{CheckResult::kFinding, "adb server", std::string(adb_status_.message()),
           "correct the variable, or unset it"}};
}

}  // namespace mooring::agent
