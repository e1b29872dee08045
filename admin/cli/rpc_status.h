// The seam between gRPC's status and ours: code, message and ErrorDetail.

#pragma once

#include <string>

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include "mooring/v1/common.pb.h"

namespace mooring::admin {

// The same code and message; an ErrorDetail among its details becomes a payload.
absl::Status FromGrpc(const grpc::Status& status);

// The detail on `status`; an empty one if it carries none.
v1::ErrorDetail ErrorDetailOf(const absl::Status& status);

// `status` with a detail that tells a person what to do.
absl::Status WithNextStep(absl::Status status, const std::string& next_step);

}  // namespace mooring::admin
