#include "admin/cli/rpc_status.h"

#include <string>

#include <absl/strings/cord.h>

#include "mooring/cli/v1/cli.pb.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

constexpr char kErrorDetailUrl[] = "type.googleapis.com/mooring.v1.ErrorDetail";

// grpc-status-details-bin is a google.rpc.Status by convention.
bool FindDetail(const std::string& details, v1::ErrorDetail& detail) {
  cli::v1::RpcStatus status;
  if (!status.ParseFromString(details)) return false;
  for (const auto& any : status.details()) {
    if (any.UnpackTo(&detail)) return true;
  }
  return false;
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  v1::ErrorDetail detail;
  if (FindDetail(status.error_details(), detail)) {
    result.SetPayload(kErrorDetailUrl, absl::Cord(detail.SerializeAsString()));
  }
  return result;
}

v1::ErrorDetail ErrorDetailOf(const absl::Status& status) {
  v1::ErrorDetail detail;
  const auto payload = status.GetPayload(kErrorDetailUrl);
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) {
    detail.Clear();
  }
  return detail;
}

absl::Status WithNextStep(absl::Status status, const std::string& next_step) {
  v1::ErrorDetail detail = ErrorDetailOf(status);
  detail.set_next_step(next_step);
  status.SetPayload(kErrorDetailUrl, absl::Cord(detail.SerializeAsString()));
  return status;
}

}  // namespace mooring::admin
