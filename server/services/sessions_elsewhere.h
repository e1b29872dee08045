// SessionsElsewhere: the sessions that run at other servers, for one who watches
// here. They are read from the catalog, where their servers note progress every ten
// seconds.

#pragma once

#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include "mooring/v1/fleet.pb.h"
#include "server/services/server_parts.h"

namespace mooring::server {

// Thread-bound.
class SessionsElsewhere {
 public:
  explicit SessionsElsewhere(ServerParts& parts) : parts_(parts) {}

  // Those that have changed since the call before, the first of all that run; one
  // that has ended is told of once. Asks the catalog every few seconds, and only
  // while there are agents at other servers.
  absl::StatusOr<std::vector<v1::Session>> Changed(const OpContext& ctx);

 private:
  ServerParts& parts_;
  absl::Duration next_ = -absl::InfiniteDuration();  // Monotonic.
  absl::flat_hash_map<SessionId, std::string> told_;
};

}  // namespace mooring::server
