#include "agent/cli/platforms.h"

#include <utility>

#include "agent/ios/ios_engine.h"
#include "agent/ios/ios_monitor.h"
#include "storage/base/status.h"

namespace mooring::agent {

absl::StatusOr<std::unique_ptr<Engine>> PlatformEngines::Make(v1::Platform platform,
                                                              const std::string& serial) {
  if (platform != v1::PLATFORM_IOS) {
    return absl::UnimplementedError("this agent knows iPhones and iPads alone");
  }
  return MakeIosEngine(serial, IosDependencies{clock_, random_, IosPatience()});
}

absl::StatusOr<std::vector<std::unique_ptr<DeviceMonitor>>> StartPlatformMonitors(
    DeviceMonitor::Listener& listener) {
  std::vector<std::unique_ptr<DeviceMonitor>> monitors;
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<IosMonitor> ios, IosMonitor::Start(listener));
  monitors.push_back(std::move(ios));
  return monitors;
}

}  // namespace mooring::agent
