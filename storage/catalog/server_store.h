// ServerStore: what the servers of one organization know of each other through
// their common catalog: who is there, which agent is connected where, orders for
// agents at another server, whose turn a job is, and the CA that they share.
//
// All times are the database's.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"

namespace mooring::storage {

struct ServerRecord {
  ServerId id;
  std::string name;
  std::string agents;      // HOST:PORT; empty until it listens.
  std::string enrollment;  // The same.
  std::string version;
  // Set by the store.
  absl::Time heard_at;
  bool is_alive = false;
};

struct AgentPlace {
  AgentId agent;
  ServerId server;
  std::uint64_t connection = 0;
  bool server_is_alive = false;
  bool is_revoked = false;
};

struct ServerOrder {
  AgentId agent;
  Bytes message;  // Serialized v1::ControlResponse.
};

struct AuthorityRecord {
  std::string certificate;  // PEM.
  Bytes wrapped_key;        // KeyPurpose::kCaKey, kNoSubject.
};

class ServerStore {
 public:
  virtual ~ServerStore() = default;

  // Writes the server's row; it counts as alive for `alive_for` from now.
  virtual absl::Status Beat(const ServerRecord& server, absl::Duration alive_for) = 0;
  // It is going away in order: not alive from now on, and no agent is placed there.
  virtual absl::Status Leave(const ServerId& server) = 0;
  // By name, then id.
  virtual absl::StatusOr<std::vector<ServerRecord>> List() = 0;
  // Forgets servers that were not heard from for `silent_for`, and orders of that age.
  virtual absl::Status Forget(absl::Duration silent_for) = 0;

  // The agent's stream is there from now on, wherever it was before.
  virtual absl::Status Place(const AgentId& agent, const ServerId& server,
                             std::uint64_t connection) = 0;
  // False: its stream is another one by now, and nothing was changed.
  virtual absl::StatusOr<bool> Unplace(const AgentId& agent, const ServerId& server,
                                       std::uint64_t connection) = 0;
  // No agent is at that server (any more).
  virtual absl::Status UnplaceAll(const ServerId& server) = 0;
  virtual absl::StatusOr<std::vector<AgentPlace>> Places() = 0;

  virtual absl::Status PostOrder(const ServerId& to, const ServerOrder& order) = 0;
  // Takes at most `limit` orders out, oldest first; those older than `age_max` are dropped.
  virtual absl::StatusOr<std::vector<ServerOrder>> TakeOrders(const ServerId& server,
                                                              absl::Duration age_max,
                                                              int limit) = 0;

  // True, and noted, if `job` last began `period` ago or longer, on whatever server.
  // The caller has the job's lease.
  virtual absl::StatusOr<bool> BeginTurn(const std::string& job, absl::Duration period) = 0;

  // kAlreadyExists: there is one; the transaction goes on.
  virtual absl::Status CreateAuthority(const AuthorityRecord& authority) = 0;
  virtual absl::StatusOr<std::optional<AuthorityRecord>> Authority() = 0;
};

}  // namespace mooring::storage
