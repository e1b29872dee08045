#include "admin/cli/approval.h"

#include <algorithm>

#include <fmt/format.h>

#include "admin/cli/text.h"
#include "mooring/v1/access.grpc.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::admin {

void ExplainPending(Invocation& run, const v1::Request& request, const std::string& then) {
  run.output().Note(fmt::format("Waiting for approval{}. To approve it:",
                                request.summary().empty() ? "" : ": " + request.summary()));
  run.output().Note("  mooring request approve " + ToHex(AsBytes(request.id())));
  if (then.empty()) return;
  run.output().Note("Then:");
  run.output().Note("  " + then);
}

absl::StatusOr<v1::Request> FetchRequest(Connection& connection, const std::string& id) {
  MOORING_ASSIGN_OR_RETURN(
      const auto response,
      connection.Call(&v1::AccessService::Stub::ListRequests, v1::ListRequestsRequest()));
  const auto found = std::find_if(response.requests().begin(), response.requests().end(),
                                  [&](const v1::Request& request) { return request.id() == id; });
  if (found == response.requests().end()) {
    return absl::NotFoundError("there is no request " + ShortId(id));
  }
  return *found;
}

absl::Status CheckNotRefused(const v1::Request& request) {
  switch (request.state()) {
    case v1::REQUEST_STATE_DENIED:
      return absl::PermissionDeniedError(
          fmt::format("{} denied request {}", request.decided_by(), ShortId(request.id())));
    case v1::REQUEST_STATE_EXPIRED:
      return absl::FailedPreconditionError(
          fmt::format("request {} expired before anybody approved it", ShortId(request.id())));
    default:
      return absl::OkStatus();
  }
}

absl::Status WaitForApproval(Invocation& run, Connection& connection, const v1::Request& request) {
  v1::Request current = request;
  while (current.state() != v1::REQUEST_STATE_APPROVED) {
    MOORING_RETURN_IF_ERROR(CheckNotRefused(current));
    run.output().Progress("waiting for approval ...");
    if (!run.env().clock.Sleep(kPollInterval, run.env().stop)) {
      return absl::CancelledError("interrupted; the request stands");
    }
    MOORING_ASSIGN_OR_RETURN(current, FetchRequest(connection, request.id()));
  }
  run.output().Note(fmt::format("Approved by {}.", current.decided_by()));
  return absl::OkStatus();
}

}  // namespace mooring::admin
