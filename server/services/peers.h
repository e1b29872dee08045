// Peers: this server among the others of its organization, through the catalog
// that they share.
//
// Each server beats every few seconds and counts as alive for a while; says which
// agents have their control stream with it; and takes the orders that another one
// was asked for but could not deliver. Nothing rests on what is known here being
// new: an agent is believed to be elsewhere for a second too long at most, and an
// order that does not arrive in a minute is dropped.

#pragma once

#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/agent.pb.h"
#include "mooring/v1/fleet.pb.h"
#include "server/log/log.h"
#include "server/services/agent_hub.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/server_store.h"

namespace mooring::server {

// How often Round is called.
inline constexpr absl::Duration kPeersRound = absl::Seconds(1);

struct PeersParts {
  storage::Catalog& catalog;
  AgentHub& hub;
  Log& log;
  Clock& clock;
};

// Thread-safe; Join, Round and Leave one at a time.
class Peers {
 public:
  struct Order {
    AgentId agent;
    v1::ControlResponse order;
  };

  // `self` belongs to the state directory. Registers as the hub's way elsewhere.
  Peers(const PeersParts& parts, const ServerId& self, std::string name, std::string version);
  ~Peers();

  const ServerId& self() const { return self_; }
  // HOST:PORT each, as others reach this server. Told with the next beat.
  void SetAddresses(const std::string& agents, const std::string& enrollment);

  // First of all: this server is there, and no agent is connected to it.
  absl::Status Join(const OpContext& ctx);
  // Beats if it is time, and looks around. Streams of agents that were revoked, or
  // that have connected to another server, are closed. Returns the orders that came.
  absl::StatusOr<std::vector<Order>> Round(const OpContext& ctx);
  // The others need not wait until this server's last beat is old.
  void Leave(const OpContext& ctx);

  // Within the transaction that stores an agent's hello.
  absl::Status Place(storage::Transaction& tx, const AgentId& agent, std::uint64_t connection);
  absl::StatusOr<bool> Unplace(storage::Transaction& tx, const AgentId& agent,
                               std::uint64_t connection);

  // Of all servers that were heard from within a week, this one's first.
  v1::ServerAddresses AgentAddresses() const;
  // Of the others, for enrollment.
  std::vector<std::string> OtherEnrollmentAddresses() const;
  absl::StatusOr<std::vector<v1::ServerInfo>> Describe(const OpContext& ctx);

 private:
  storage::ServerRecord Self() const;
  absl::Status PostOrder(const ServerId& to, const AgentId& agent,
                         const v1::ControlResponse& order);
  void Take(const std::vector<storage::ServerRecord>& servers);
  void Take(const std::vector<AgentHub::Connection>& before,
            const std::vector<storage::AgentPlace>& places);

  const PeersParts parts_;
  const ServerId self_;
  const std::string name_;
  const std::string version_;

  mutable Mutex mutex_;
  std::string agents_ ABSL_GUARDED_BY(mutex_);
  std::string enrollment_ ABSL_GUARDED_BY(mutex_);
  std::vector<storage::ServerRecord> servers_ ABSL_GUARDED_BY(mutex_);
  bool must_beat_ ABSL_GUARDED_BY(mutex_) = true;
  absl::Duration beat_at_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();         // Monotonic.
  absl::Duration forgot_at_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();  // Monotonic.
};

}  // namespace mooring::server
