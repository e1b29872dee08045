// The platforms that this agent knows: their engines and their monitors.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/device/device.h"
#include "agent/device/engine_factory.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace mooring::agent {

class PlatformEngines final : public EngineFactory {
 public:
  PlatformEngines(Clock& clock, Random& random) : clock_(clock), random_(random) {}

  absl::StatusOr<std::unique_ptr<Engine>> Make(v1::Platform platform,
                                               const std::string& serial) override;

 private:
  Clock& clock_;
  Random& random_;
};

// `listener` outlives the monitors.
absl::StatusOr<std::vector<std::unique_ptr<DeviceMonitor>>> StartPlatformMonitors(
    DeviceMonitor::Listener& listener);

}  // namespace mooring::agent
