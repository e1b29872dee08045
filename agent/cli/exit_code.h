// Exit codes of the command line (design page, "Command lines").

#pragma once

#include <absl/status/status.h>

#include "mooring/session/v1/session.pb.h"

namespace mooring::agent {

enum ExitCode : int {
  kExitOk = 0,
  kExitError = 1,
  kExitUsage = 2,
  kExitPartial = 3,
  kExitNotFound = 4,
  kExitDenied = 5,
  kExitWaiting = 6,
  kExitUnavailable = 7,
  kExitFindings = 8,
  kExitIntegrity = 9,
  kExitPerson = 10,
};

ExitCode ExitCodeOf(const absl::Status& status);
ExitCode ExitCodeOf(const session::v1::Finished& finished);

}  // namespace mooring::agent
