// The platforms that this agent knows: their engines and their monitors.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/android/adb_server.h"
#include "agent/android/usb_bus.h"
#include "agent/cli/doctor.h"
#include "agent/device/device.h"
#include "agent/device/engine_factory.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace mooring::agent {

// Thread-safe.
class PlatformEngines final : public EngineFactory {
 public:
  PlatformEngines(Clock& clock, Random& random);

  absl::StatusOr<std::unique_ptr<Engine>> Make(v1::Platform platform, const std::string& serial,
                                               const EngineOptions& options) override;

  // `listener` and this outlive the monitors.
  absl::StatusOr<std::vector<std::unique_ptr<DeviceMonitor>>> StartMonitors(
      DeviceMonitor::Listener& listener);

  // What doctor says of the platforms that need more than usbmuxd.
  std::vector<Check> RunChecks();

 private:
  Clock& clock_;
  Random& random_;
  SysfsUsbBus usb_;
  absl::Status adb_status_;
  // Nullopt where the environment names no place for it.
  std::optional<AdbServer> adb_;
};

}  // namespace mooring::agent
