#include "admin/cli/exit_code.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "proto/rpc_status.h"

namespace mooring::admin {
namespace {

TEST(ExitCodeTest, FollowsTheStatusCode) {
  const std::vector<std::pair<absl::Status, ExitCode>> cases = {
      {absl::OkStatus(), ExitCode::kOk},
      {absl::InternalError(""), ExitCode::kError},
      {absl::AlreadyExistsError(""), ExitCode::kError},
      {absl::InvalidArgumentError(""), ExitCode::kUsage},
      {absl::NotFoundError(""), ExitCode::kNotFound},
      {absl::PermissionDeniedError(""), ExitCode::kDenied},
      {absl::UnauthenticatedError(""), ExitCode::kDenied},
      {absl::FailedPreconditionError(""), ExitCode::kWaitingForApproval},
      {absl::UnavailableError(""), ExitCode::kUnavailable},
      {absl::DeadlineExceededError(""), ExitCode::kUnavailable},
      {absl::ResourceExhaustedError(""), ExitCode::kUnavailable},
      {absl::DataLossError(""), ExitCode::kIntegrity},
  };
  for (const auto& [status, code] : cases) EXPECT_EQ(ExitCodeOf(status), code) << status;
}

TEST(ExitCodeTest, ACauseSaysWhoIsWaitedFor) {
  const absl::Status status = absl::FailedPreconditionError("locked");
  EXPECT_EQ(ExitCodeOf(WithCause(status, v1::CAUSE_PASSCODE_NOT_ENTERED)),
            ExitCode::kWaitingForPerson);
  EXPECT_EQ(ExitCodeOf(WithCause(status, v1::CAUSE_NOT_ASSIGNED)), ExitCode::kWaitingForApproval);
  EXPECT_EQ(ExitCodeOf(WithCause(status, v1::CAUSE_SERVER_FULL)), ExitCode::kUnavailable);
  EXPECT_EQ(ExitCodeOf(v1::CAUSE_VERIFICATION_FAILED), ExitCode::kIntegrity);
  EXPECT_EQ(ExitCodeOf(v1::CAUSE_UNSPECIFIED), ExitCode::kError);
}

}  // namespace
}  // namespace mooring::admin
