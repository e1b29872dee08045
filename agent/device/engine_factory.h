// EngineFactory: makes the engine of one attached phone. The choice of real
// engines is made in main; tests give synthetic ones.

#pragma once

#include <memory>
#include <string>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "agent/device/device.h"

namespace mooring::agent {

// What a workstation is told of how to treat its phones.
struct EngineOptions {
  // For a phone that was unplugged in a session; zero: as the engine sees fit.
  absl::Duration unplugged_wait;
};

// Thread-safe.
class EngineFactory {
 public:
  virtual ~EngineFactory() = default;
  // Talks to nobody yet. kUnimplemented: no engine for that platform.
  virtual absl::StatusOr<std::unique_ptr<Engine>> Make(v1::Platform platform,
                                                       const std::string& serial,
                                                       const EngineOptions& options) = 0;
};

}  // namespace mooring::agent
