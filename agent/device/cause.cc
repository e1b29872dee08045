#include "agent/device/cause.h"

#include <absl/strings/cord.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr char kDetailUrl[] = "type.googleapis.com/mooring.v1.ErrorDetail";

}  // namespace

absl::Status WithDetail(absl::Status status, const v1::ErrorDetail& detail) {
  if (!status.ok()) status.SetPayload(kDetailUrl, absl::Cord(detail.SerializeAsString()));
  return status;
}

std::optional<v1::ErrorDetail> DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kDetailUrl);
  v1::ErrorDetail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

absl::Status Failure(absl::StatusCode code, v1::Cause cause, const std::string& message,
                     const std::string& next_step) {
  v1::ErrorDetail detail;
  detail.set_cause(cause);
  detail.set_next_step(next_step);
  return WithDetail(absl::Status(code, message), detail);
}

v1::Cause CauseOf(const absl::Status& status) {
  if (status.ok()) return v1::CAUSE_UNSPECIFIED;
  const std::optional<v1::ErrorDetail> detail = DetailOf(status);
  if (detail && detail->cause() != v1::CAUSE_UNSPECIFIED) return detail->cause();
  switch (status.code()) {
    case absl::StatusCode::kCancelled:
      return v1::CAUSE_CANCELLED;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return v1::CAUSE_SERVER_UNREACHABLE;
    case absl::StatusCode::kResourceExhausted:
      return v1::CAUSE_SERVER_BUSY;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return v1::CAUSE_POLICY_REFUSED;
    case absl::StatusCode::kDataLoss:
      return v1::CAUSE_VERIFICATION_FAILED;
    default:
      return v1::CAUSE_SERVER_ERROR;
  }
}

std::string NextStepOf(const absl::Status& status) {
  const std::optional<v1::ErrorDetail> detail = DetailOf(status);
  return detail ? detail->next_step() : std::string();
}

}  // namespace mooring::agent
