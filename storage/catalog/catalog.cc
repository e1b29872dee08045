#include "storage/catalog/catalog.h"

#include <string>

#include <absl/strings/cord.h>

#include "mooring/v1/common.pb.h"
#include "storage/base/status.h"

namespace mooring::storage {
namespace {

constexpr char kErrorDetailUrl[] = "type.googleapis.com/mooring.v1.ErrorDetail";

}  // namespace

absl::Status InDoubtError(std::string_view message) {
  absl::Status status(absl::StatusCode::kUnknown, ToAbsl(message));
  v1::ErrorDetail detail;
  detail.set_in_doubt(true);
  status.SetPayload(kErrorDetailUrl, absl::Cord(detail.SerializeAsString()));
  return status;
}

bool IsInDoubt(const absl::Status& status) {
  if (status.code() != absl::StatusCode::kUnknown) return false;
  const absl::optional<absl::Cord> payload = status.GetPayload(kErrorDetailUrl);
  v1::ErrorDetail detail;
  return payload.has_value() && detail.ParseFromString(std::string(*payload)) && detail.in_doubt();
}

}  // namespace mooring::storage
