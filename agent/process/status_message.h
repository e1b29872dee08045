// A status as it crosses a pipe.

#pragma once

#include <absl/status/status.h>

#include "mooring/session/v1/session.pb.h"

namespace mooring::agent {

session::v1::Failure ToFailure(const absl::Status& status);
// Never OK: an unknown or zero code is kUnknown.
absl::Status FromFailure(const session::v1::Failure& failure);

}  // namespace mooring::agent
