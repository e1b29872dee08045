#include "proto/rpc_status.h"

#include <algorithm>
#include <utility>

#include <absl/strings/cord.h>

#include "storage/base/status.h"

namespace mooring {
namespace {

template <absl::StatusCode ours, grpc::StatusCode theirs>
constexpr bool Same() {
  return static_cast<int>(ours) == static_cast<int>(theirs);
}

// Codes are converted by number.
static_assert(Same<absl::StatusCode::kOk, grpc::StatusCode::OK>());
static_assert(Same<absl::StatusCode::kCancelled, grpc::StatusCode::CANCELLED>());
static_assert(Same<absl::StatusCode::kUnknown, grpc::StatusCode::UNKNOWN>());
static_assert(Same<absl::StatusCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT>());
static_assert(Same<absl::StatusCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED>());
static_assert(Same<absl::StatusCode::kNotFound, grpc::StatusCode::NOT_FOUND>());
static_assert(Same<absl::StatusCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS>());
static_assert(Same<absl::StatusCode::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED>());
static_assert(Same<absl::StatusCode::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED>());
static_assert(Same<absl::StatusCode::kFailedPrecondition, grpc::StatusCode::FAILED_PRECONDITION>());
static_assert(Same<absl::StatusCode::kAborted, grpc::StatusCode::ABORTED>());
static_assert(Same<absl::StatusCode::kOutOfRange, grpc::StatusCode::OUT_OF_RANGE>());
static_assert(Same<absl::StatusCode::kUnimplemented, grpc::StatusCode::UNIMPLEMENTED>());
static_assert(Same<absl::StatusCode::kInternal, grpc::StatusCode::INTERNAL>());
static_assert(Same<absl::StatusCode::kUnavailable, grpc::StatusCode::UNAVAILABLE>());
static_assert(Same<absl::StatusCode::kDataLoss, grpc::StatusCode::DATA_LOSS>());
static_assert(Same<absl::StatusCode::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED>());

}  // namespace

absl::Status WithErrorDetail(absl::Status status, const v1::ErrorDetail& detail) {
  if (!status.ok()) {
    status.SetPayload(ToAbsl(kErrorDetailUrl), absl::Cord(detail.SerializeAsString()));
  }
  return status;
}

absl::Status WithCause(absl::Status status, v1::Cause cause, std::string next_step) {
  v1::ErrorDetail detail = ErrorDetailOf(status).value_or(v1::ErrorDetail());
  detail.set_cause(cause);
  detail.set_next_step(std::move(next_step));
  return WithErrorDetail(std::move(status), detail);
}

std::optional<v1::ErrorDetail> ErrorDetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload(ToAbsl(kErrorDetailUrl));
  v1::ErrorDetail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string message(status.message().data(), status.message().size());
  message.resize(std::min(message.size(), kStatusMessageBytesMax));
  v1::StatusDetails details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(message);
  if (const auto detail = ErrorDetailOf(status)) details.add_details()->PackFrom(*detail);
  return {static_cast<grpc::StatusCode>(status.code()), message,
          details.details_size() > 0 ? details.SerializeAsString() : ""};
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()),
                      ToAbsl(status.error_message()));
  v1::StatusDetails details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details())) {
    return result;
  }
  v1::ErrorDetail detail;
  for (const auto& any : details.details()) {
    if (any.Is<v1::ErrorDetail>() && any.UnpackTo(&detail)) {
      return WithErrorDetail(std::move(result), detail);
    }
  }
  return result;
}

}  // namespace mooring
