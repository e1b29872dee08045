#include "agent/cli/exit_code.h"

#include "agent/device/cause.h"

namespace mooring::agent {
namespace {

ExitCode OfCause(v1::Cause cause) {
  switch (cause) {
    case v1::CAUSE_TRUST_PENDING:
    case v1::CAUSE_TRUST_REFUSED:
    case v1::CAUSE_LOCKED:
    case v1::CAUSE_PASSCODE_NOT_ENTERED:
    case v1::CAUSE_CANCELLED_ON_PHONE:
    case v1::CAUSE_ENCRYPTION_REQUIRED:
    case v1::CAUSE_WRONG_BACKUP_PASSWORD:
    case v1::CAUSE_PHONE_OFFLINE:
    case v1::CAUSE_PHONE_NOT_STARTED:
    case v1::CAUSE_USB_DEBUGGING_OFF:
      return kExitPerson;
    case v1::CAUSE_NOT_ASSIGNED:
    case v1::CAUSE_ANOTHER_PHONE:
    case v1::CAUSE_POLICY_REFUSED:
    case v1::CAUSE_DECLINED:
    case v1::CAUSE_USB_DEBUGGING_FORBIDDEN:
      return kExitDenied;
    case v1::CAUSE_SERVER_BUSY:
    case v1::CAUSE_SERVER_FULL:
    case v1::CAUSE_SERVER_UNREACHABLE:
      return kExitUnavailable;
    case v1::CAUSE_NEVER_CONNECTED:
      return kExitNotFound;
    case v1::CAUSE_VERIFICATION_FAILED:
      return kExitIntegrity;
    default:
      return kExitError;
  }
}

ExitCode OfCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
      return kExitUsage;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kExitDenied;
    case absl::StatusCode::kFailedPrecondition:
      return kExitWaiting;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      return kExitUnavailable;
    case absl::StatusCode::kDataLoss:
      return kExitIntegrity;
    default:
      return kExitError;
  }
}

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  const std::optional<v1::ErrorDetail> detail = DetailOf(status);
  if (detail && OfCause(detail->cause()) != kExitError) return OfCause(detail->cause());
  return OfCode(status.code());
}

ExitCode ExitCodeOf(const session::v1::Finished& finished) {
  if (!finished.succeeded()) return OfCause(finished.cause());
  return finished.with_gaps() ? kExitPartial : kExitOk;
}

}  // namespace mooring::agent
