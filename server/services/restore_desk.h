// RestoreDesk: grants, their codes, and the orders that carry them to agents.
//
// A code is shown to whoever asked, or sent with the order to the agent; the
// catalog has its hash alone. It is derived from a key that all servers of the
// organization have, so that asking again, at whichever server, does not void the
// one that is on its way. Codes do not pass through the catalog: where the agent is
// at another server, that one is told to make the order itself.

#pragma once

#include <string>
#include <utility>

#include <absl/status/statusor.h>

#include "server/services/server_parts.h"
#include "storage/base/secret_bytes.h"
#include "storage/catalog/request_store.h"

namespace mooring::server {

inline constexpr absl::Duration kGrantLifetime = absl::Hours(24);

// Thread-safe.
class RestoreDesk {
 public:
  // `code_key` is for nothing else.
  RestoreDesk(ServerParts& parts, SecretBytes code_key)
      : parts_(parts), code_key_(std::move(code_key)) {}

  // The code of a grant that has not been opened; made where there is none.
  // kFailedPrecondition: opened or closed.
  absl::StatusOr<std::string> CodeOf(const OpContext& ctx, const storage::GrantRecord& grant);

  // Orders the restores that wait for the phone `serial`, if it is plugged in.
  absl::Status Dispatch(const OpContext& ctx, const std::string& serial);

  // Ends a restore that an agent could not do. Closes its grant.
  absl::Status Fail(const OpContext& ctx, const storage::RestoreId& restore, const AgentId& agent,
                    v1::Cause cause, const std::string& message);
  // What `agent` says of the restore that it runs. kPermissionDenied: it runs no
  // such restore.
  absl::Status SetProgress(const OpContext& ctx, const storage::RestoreId& restore,
                           const AgentId& agent, const v1::Progress& progress);

 private:
  ServerParts& parts_;
  const SecretBytes code_key_;
};

// The grant that starts with a request's approval.
storage::GrantRecord NewGrant(const ServerParts& parts, const storage::RequestRecord& request);

}  // namespace mooring::server
