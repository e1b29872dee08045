// Approval: what a command says about a request that another person must
// approve, and how it waits for that.

#pragma once

#include <string>

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "admin/cli/command.h"
#include "mooring/v1/access.pb.h"

namespace mooring::admin {

inline constexpr absl::Duration kPollInterval = absl::Seconds(1);

// Tells on stderr the command that approves `request`, and what to do then.
void ExplainPending(Invocation& run, const v1::Request& request, const std::string& then);

// Waits until `request` is decided. OK: approved. kPermissionDenied: denied.
// kFailedPrecondition: expired. kCancelled: Ctrl-C.
absl::Status WaitForApproval(Invocation& run, Connection& connection, const v1::Request& request);

// The request as it stands now. kNotFound: the server has none with this id.
absl::StatusOr<v1::Request> FetchRequest(Connection& connection, const std::string& id);

// OK for an approved or a pending request, else why nothing will come of it.
absl::Status CheckNotRefused(const v1::Request& request);

}  // namespace mooring::admin
