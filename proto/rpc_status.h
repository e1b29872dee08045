// absl::Status over gRPC: code, message and v1::ErrorDetail payload, both ways.
// The server answers with it, the agent and the CLI read with it.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include "mooring/v1/common.pb.h"

namespace mooring {

// Type URL of the payload, in absl::Status and on the wire.
inline constexpr std::string_view kErrorDetailUrl = "type.googleapis.com/mooring.v1.ErrorDetail";

// Longest message that goes over the wire, in bytes: it is an HTTP/2 header.
inline constexpr std::size_t kStatusMessageBytesMax = 1024;

// `status` with `detail` attached; OK stays OK.
absl::Status WithErrorDetail(absl::Status status, const v1::ErrorDetail& detail);
// The same, with a cause and what to do about it.
absl::Status WithCause(absl::Status status, v1::Cause cause, std::string next_step = "");
std::optional<v1::ErrorDetail> ErrorDetailOf(const absl::Status& status);

grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace mooring
