#include "agent/process/status_message.h"

#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {

session::v1::Failure ToFailure(const absl::Status& status) {
  session::v1::Failure failure;
  failure.set_code(static_cast<std::int32_t>(status.code()));
  failure.set_message(std::string(status.message()));
  const std::optional<v1::ErrorDetail> detail = DetailOf(status);
  if (detail) *failure.mutable_detail() = *detail;
  return failure;
}

absl::Status FromFailure(const session::v1::Failure& failure) {
  auto code = static_cast<absl::StatusCode>(failure.code());
  const bool known = failure.code() > 0 && failure.code() <= 16;
  if (!known) code = absl::StatusCode::kUnknown;
  absl::Status status(code, ToAbsl(failure.message()));
  return failure.has_detail() ? WithDetail(std::move(status), failure.detail()) : status;
}

}  // namespace mooring::agent
