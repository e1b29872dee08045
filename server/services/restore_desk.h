// RestoreDesk: grants, their codes, and the orders that carry them to agents.
//
// A code is shown to whoever asked, or sent with the order to the agent; the
// catalog has its hash alone. A code that was made and not used stays in memory,
// so that asking again does not void the one that is on its way.

#pragma once

#include <string>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include "server/services/server_parts.h"
#include "storage/catalog/request_store.h"

namespace mooring::server {

inline constexpr absl::Duration kGrantLifetime = absl::Hours(24);

// Thread-safe.
class RestoreDesk {
 public:
  explicit RestoreDesk(ServerParts& parts) : parts_(parts) {}

  // The code of a grant that has not been opened; made where there is none.
  // kFailedPrecondition: opened or closed.
  absl::StatusOr<std::string> CodeOf(const OpContext& ctx, const storage::GrantRecord& grant);
  void Forget(const GrantId& grant);

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
  Mutex mutex_;
  absl::flat_hash_map<GrantId, std::string> codes_ ABSL_GUARDED_BY(mutex_);
};

// The grant that starts with a request's approval.
storage::GrantRecord NewGrant(const ServerParts& parts, const storage::RequestRecord& request);

}  // namespace mooring::server
