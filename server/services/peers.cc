#include "server/services/peers.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/services/proto_time.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

constexpr absl::Duration kBeatEvery = absl::Seconds(5);
constexpr absl::Duration kAliveFor = absl::Seconds(20);
// Agents are told the address of a server that is silent for so long: it comes back.
constexpr absl::Duration kForgottenAfter = absl::Hours(24 * 7);
constexpr absl::Duration kForgetEvery = absl::Hours(1);
constexpr absl::Duration kOrderAgeMax = absl::Minutes(1);
constexpr absl::Duration kOrderDeadline = absl::Seconds(10);
constexpr int kOrdersMax = 1000;

}  // namespace

Peers::Peers(const PeersParts& parts, const ServerId& self, std::string name, std::string version)
    : parts_(parts), self_(self), name_(std::move(name)), version_(std::move(version)) {
  parts_.hub.SetForward(
      [this](const ServerId& to, const AgentId& agent, const v1::ControlResponse& order) {
        return PostOrder(to, agent, order);
      });
}

Peers::~Peers() {
  parts_.hub.SetForward({});
}

void Peers::SetAddresses(const std::string& agents, const std::string& enrollment) {
  MutexLock lock(mutex_);
  agents_ = agents;
  enrollment_ = enrollment;
  must_beat_ = true;
}

storage::ServerRecord Peers::Self() const {
  MutexLock lock(mutex_);
  storage::ServerRecord self;
  self.id = self_;
  self.name = name_;
  self.agents = agents_;
  self.enrollment = enrollment_;
  self.version = version_;
  return self;
}

absl::Status Peers::Join(const OpContext& ctx) {
  const storage::ServerRecord self = Self();
  std::vector<storage::ServerRecord> servers;
  std::vector<storage::AgentPlace> places;
  const absl::Status joined =
      parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
        MOORING_RETURN_IF_ERROR(tx.servers().Beat(self, kAliveFor));
        MOORING_RETURN_IF_ERROR(tx.servers().UnplaceAll(self_));
        MOORING_ASSIGN_OR_RETURN(servers, tx.servers().List());
        MOORING_ASSIGN_OR_RETURN(places, tx.servers().Places());
        return absl::OkStatus();
      });
  MOORING_RETURN_IF_ERROR(joined);
  Take(servers);
  Take({}, places);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Peers::Order>> Peers::Round(const OpContext& ctx) {
  const absl::Duration now = parts_.clock.Monotonic();
  bool beats = false;
  bool forgets = false;
  {
    MutexLock lock(mutex_);
    beats = must_beat_ || now - beat_at_ >= kBeatEvery;
    forgets = beats && now - forgot_at_ >= kForgetEvery;
  }
  std::vector<Order> orders;
  const storage::ServerRecord self = Self();
  // Asked before the catalog is: a stream that came later is not judged by it.
  const std::vector<AgentHub::Connection> before = parts_.hub.Connections();
  std::vector<storage::ServerRecord> servers;
  std::optional<std::vector<storage::AgentPlace>> places;
  std::vector<storage::ServerOrder> taken;
  const absl::Status looked =
      parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
        if (beats) {
          MOORING_RETURN_IF_ERROR(tx.servers().Beat(self, kAliveFor));
          if (forgets) MOORING_RETURN_IF_ERROR(tx.servers().Forget(kForgottenAfter));
        }
        MOORING_ASSIGN_OR_RETURN(servers, tx.servers().List());
        // Alone, there is nothing to look at but whether somebody comes.
        if (!beats && servers.size() < 2) return absl::OkStatus();
        MOORING_ASSIGN_OR_RETURN(places, tx.servers().Places());
        MOORING_ASSIGN_OR_RETURN(taken, tx.servers().TakeOrders(self_, kOrderAgeMax, kOrdersMax));
        return absl::OkStatus();
      });
  MOORING_RETURN_IF_ERROR(looked);
  {
    MutexLock lock(mutex_);
    if (beats) {
      must_beat_ = agents_ != self.agents || enrollment_ != self.enrollment;
      beat_at_ = now;
    }
    if (forgets) forgot_at_ = now;
  }
  Take(servers);
  if (places) Take(before, *places);
  for (const storage::ServerOrder& one : taken) {
    Order order{.agent = one.agent, .order = {}};
    if (order.order.ParseFromArray(one.message.data(), static_cast<int>(one.message.size()))) {
      orders.push_back(std::move(order));
    }
  }
  return orders;
}

void Peers::Leave(const OpContext& ctx) {
  // What is not said ends by itself.
  parts_.catalog.Run(ctx, [&](storage::Transaction& tx) { return tx.servers().Leave(self_); })
      .IgnoreError();
}

absl::Status Peers::Place(storage::Transaction& tx, const AgentId& agent,
                          std::uint64_t connection) {
  return tx.servers().Place(agent, self_, connection);
}

absl::StatusOr<bool> Peers::Unplace(storage::Transaction& tx, const AgentId& agent,
                                    std::uint64_t connection) {
  return tx.servers().Unplace(agent, self_, connection);
}

absl::Status Peers::PostOrder(const ServerId& to, const AgentId& agent,
                              const v1::ControlResponse& order) {
  const OpContext ctx{.deadline = parts_.clock.Now() + kOrderDeadline, .stop = {}};
  const std::string bytes = order.SerializeAsString();
  const absl::Status posted = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) {
    return tx.servers().PostOrder(to, {.agent = agent, .message = ToBytes(bytes)});
  });
  return absl::IsNotFound(posted) ? absl::UnavailableError("the agent is not connected") : posted;
}

void Peers::Take(const std::vector<storage::ServerRecord>& servers) {
  const v1::ServerAddresses told = AgentAddresses();
  std::int64_t alive = 0;
  bool changed = false;
  {
    MutexLock lock(mutex_);
    for (const storage::ServerRecord& server : servers) {
      if (server.is_alive && server.id != self_) ++alive;
    }
    const auto count = std::count_if(servers_.begin(), servers_.end(), [&](const auto& server) {
      return server.is_alive && server.id != self_;
    });
    changed = count != alive;
    servers_ = servers;
  }
  if (changed) parts_.log.Info("servers.alive", {{"others", alive}});
  v1::ControlResponse order;
  *order.mutable_servers() = AgentAddresses();
  if (order.servers().SerializeAsString() == told.SerializeAsString()) return;
  for (const AgentHub::Connection& connection : parts_.hub.Connections()) {
    parts_.hub.SendHere(connection.agent, order).IgnoreError();
  }
}

void Peers::Take(const std::vector<AgentHub::Connection>& before,
                 const std::vector<storage::AgentPlace>& places) {
  absl::flat_hash_map<AgentId, ServerId> elsewhere;
  absl::flat_hash_map<AgentId, const storage::AgentPlace*> by_agent;
  for (const storage::AgentPlace& place : places) {
    by_agent[place.agent] = &place;
    if (place.server != self_ && place.server_is_alive && !place.is_revoked) {
      elsewhere[place.agent] = place.server;
    }
  }
  parts_.hub.SetElsewhere(std::move(elsewhere));
  for (const AgentHub::Connection& connection : before) {
    const auto it = by_agent.find(connection.agent);
    if (it == by_agent.end()) {
      parts_.hub.CloseConnection(
          connection, absl::UnavailableError("the server has lost track of this connection"));
    } else if (it->second->is_revoked) {
      parts_.hub.CloseConnection(connection,
                                 absl::PermissionDeniedError("this agent has been revoked"));
    } else if (it->second->server != self_) {
      parts_.hub.CloseConnection(connection,
                                 absl::AbortedError("this agent has connected to another server"));
    }
  }
}

v1::ServerAddresses Peers::AgentAddresses() const {
  MutexLock lock(mutex_);
  v1::ServerAddresses addresses;
  const auto add = [&](const std::string& address) {
    const auto& known = addresses.addresses();
    if (address.empty() || std::find(known.begin(), known.end(), address) != known.end()) return;
    addresses.add_addresses(address);
  };
  add(agents_);
  for (const storage::ServerRecord& server : servers_) {
    if (server.id != self_) add(server.agents);
  }
  return addresses;
}

std::vector<std::string> Peers::OtherEnrollmentAddresses() const {
  MutexLock lock(mutex_);
  std::vector<std::string> addresses;
  for (const storage::ServerRecord& server : servers_) {
    if (server.id != self_ && server.is_alive && !server.enrollment.empty()) {
      addresses.push_back(server.enrollment);
    }
  }
  return addresses;
}

absl::StatusOr<std::vector<v1::ServerInfo>> Peers::Describe(const OpContext& ctx) {
  std::vector<v1::ServerInfo> infos;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    infos.clear();
    MOORING_ASSIGN_OR_RETURN(const auto servers, tx.servers().List());
    MOORING_ASSIGN_OR_RETURN(const auto places, tx.servers().Places());
    for (const storage::ServerRecord& server : servers) {
      v1::ServerInfo& info = infos.emplace_back();
      info.set_name(server.name);
      info.set_agents(server.agents);
      info.set_enrollment(server.enrollment);
      info.set_version(server.version);
      info.set_alive(server.is_alive);
      *info.mutable_heard_at() = ToTimestamp(server.heard_at);
      info.set_self(server.id == self_);
      if (!server.is_alive) continue;
      info.set_agents_online(static_cast<std::uint64_t>(
          std::count_if(places.begin(), places.end(), [&](const storage::AgentPlace& place) {
            return place.server == server.id && !place.is_revoked;
          })));
    }
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  return infos;
}

}  // namespace mooring::server
