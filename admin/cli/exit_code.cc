#include "admin/cli/exit_code.h"

#include "proto/rpc_status.h"

namespace mooring::admin {

ExitCode ExitCodeOf(v1::Cause cause) {
  switch (cause) {
    case v1::CAUSE_TRUST_PENDING:
    case v1::CAUSE_LOCKED:
    case v1::CAUSE_PASSCODE_NOT_ENTERED:
    case v1::CAUSE_WRONG_BACKUP_PASSWORD:
    case v1::CAUSE_NEVER_CONNECTED:
    case v1::CAUSE_PHONE_OFFLINE:
    case v1::CAUSE_PHONE_NOT_STARTED:
    case v1::CAUSE_USB_DEBUGGING_OFF:
      return ExitCode::kWaitingForPerson;
    case v1::CAUSE_TRUST_REFUSED:
    case v1::CAUSE_DECLINED:
      return ExitCode::kDenied;
    case v1::CAUSE_NOT_ASSIGNED:
    case v1::CAUSE_ANOTHER_PHONE:
    case v1::CAUSE_POLICY_REFUSED:
    case v1::CAUSE_ENCRYPTION_REQUIRED:
    case v1::CAUSE_USB_DEBUGGING_FORBIDDEN:
      return ExitCode::kWaitingForApproval;
    case v1::CAUSE_SERVER_BUSY:
    case v1::CAUSE_SERVER_FULL:
    case v1::CAUSE_SERVER_UNREACHABLE:
      return ExitCode::kUnavailable;
    case v1::CAUSE_VERIFICATION_FAILED:
      return ExitCode::kIntegrity;
    default:
      return ExitCode::kError;
  }
}

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kUsage;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return ExitCode::kDenied;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      return ExitCode::kUnavailable;
    case absl::StatusCode::kDataLoss:
      return ExitCode::kIntegrity;
    case absl::StatusCode::kFailedPrecondition: {
      const v1::Cause cause = ErrorDetailOf(status).value_or(v1::ErrorDetail()).cause();
      return cause == v1::CAUSE_UNSPECIFIED ? ExitCode::kWaitingForApproval : ExitCodeOf(cause);
    }
    default:
      return ExitCode::kError;
  }
}

}  // namespace mooring::admin
