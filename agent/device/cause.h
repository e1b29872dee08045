// Causes: the closed list of reasons for a miss, carried on a Status as a
// v1::ErrorDetail payload from where a fault is understood to where it is shown.

#pragma once

#include <optional>
#include <string>

#include <absl/status/status.h>

#include "mooring/v1/common.pb.h"

namespace mooring::agent {

// A failure with its cause. `next_step` tells a person what to do.
absl::Status Failure(absl::StatusCode code, v1::Cause cause, const std::string& message,
                     const std::string& next_step);

// Puts `detail` on `status` (OK stays OK), and reads it back.
absl::Status WithDetail(absl::Status status, const v1::ErrorDetail& detail);
std::optional<v1::ErrorDetail> DetailOf(const absl::Status& status);

// The cause on `status`; for one without, a guess by its code.
v1::Cause CauseOf(const absl::Status& status);
// The next step on `status`, or empty.
std::string NextStepOf(const absl::Status& status);

}  // namespace mooring::agent
