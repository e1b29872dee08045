// What the process tells its caller: one table for every command.

#pragma once

#include <absl/status/status.h>

#include "mooring/v1/common.pb.h"

namespace mooring::admin {

enum class ExitCode : int {
  kOk = 0,
  kError = 1,
  kUsage = 2,
  // Done, with some things left out.
  kPartial = 3,
  kNotFound = 4,
  kDenied = 5,
  // Waiting for another person's approval, or blocked by a rule.
  kWaitingForApproval = 6,
  kUnavailable = 7,
  // Worked, and found what it looked for: a breach, a difference.
  kFindings = 8,
  kIntegrity = 9,
  // Waiting for the person at the phone.
  kWaitingForPerson = 10,
};

// By the status code, refined by the cause in its ErrorDetail.
ExitCode ExitCodeOf(const absl::Status& status);

// For a session or restore that ended without success for `cause`.
ExitCode ExitCodeOf(v1::Cause cause);

}  // namespace mooring::admin
