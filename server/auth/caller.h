// Caller: who makes a call, once that is proved.

#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <absl/time/time.h>

#include "mooring/v1/common.pb.h"
#include "storage/catalog/agent_store.h"

namespace mooring::server {

struct Caller {
  enum class Kind { kAnonymous, kAgent, kAccount };

  Kind kind = Kind::kAnonymous;
  // For an agent: its row, at most a second old, and the key it called with.
  storage::AgentRecord agent;
  Bytes key_hash;
  // For an account.
  std::string account;
  absl::Time token_expires_at;
  std::vector<v1::Permission> permissions;

  bool Has(v1::Permission permission) const {
    return permission == v1::PERMISSION_PUBLIC ||
           std::find(permissions.begin(), permissions.end(), permission) != permissions.end();
  }

  // As the audit trail names it.
  std::string actor() const {
    switch (kind) {
      case Kind::kAgent:
        return "agent:" + agent.id.hex();
      case Kind::kAccount:
        return "account:" + account;
      case Kind::kAnonymous:
        break;
    }
    return "anonymous";
  }
};

}  // namespace mooring::server
