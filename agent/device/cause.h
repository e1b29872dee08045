// Causes: the closed list of reasons for a miss, carried on a Status as a
// v1::ErrorDetail payload from where a fault is understood to where it is shown.

#pragma once

#include <string>

#include <absl/status/status.h>

#include "mooring/v1/common.pb.h"

namespace mooring::agent {

// A failure with its cause. `next_step` tells a person what to do.
absl::Status Failure(absl::StatusCode code, v1::Cause cause, const std::string& message,
                     const std::string& next_step);

// The cause on `status`; for one without, a guess by its code.
v1::Cause CauseOf(const absl::Status& status);
// The next step on `status`, or empty.
std::string NextStepOf(const absl::Status& status);

}  // namespace mooring::agent
