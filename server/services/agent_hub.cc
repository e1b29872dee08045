#include "server/services/agent_hub.h"

#include <utility>

namespace mooring::server {
namespace {

absl::Status NotConnected() {
  return absl::UnavailableError("the agent is not connected");
}

}  // namespace

std::uint64_t AgentHub::NewConnection() {
  MutexLock lock(mutex_);
  return ++last_connection_;
}

void AgentHub::Connect(const AgentId& agent, std::shared_ptr<AgentLink> link,
                       std::uint64_t connection) {
  Stream before;
  {
    MutexLock lock(mutex_);
    before = std::exchange(links_[agent], {std::move(link), connection});
  }
  if (before.link != nullptr) {
    before.link->Close(absl::AbortedError(
        "this agent has connected again; is its state directory used on two workstations?"));
  }
}

std::optional<std::uint64_t> AgentHub::Disconnect(const AgentId& agent, const AgentLink* link) {
  MutexLock lock(mutex_);
  const auto it = links_.find(agent);
  if (it == links_.end() || it->second.link.get() != link) return std::nullopt;
  const std::uint64_t connection = it->second.connection;
  links_.erase(it);
  return connection;
}

void AgentHub::SetElsewhere(absl::flat_hash_map<AgentId, ServerId> elsewhere) {
  MutexLock lock(mutex_);
  elsewhere_ = std::move(elsewhere);
}

void AgentHub::SetForward(Forward forward) {
  MutexLock lock(mutex_);
  forward_ = std::move(forward);
}

bool AgentHub::IsOnline(const AgentId& agent) const {
  MutexLock lock(mutex_);
  return links_.contains(agent) || elsewhere_.contains(agent);
}

bool AgentHub::IsHere(const AgentId& agent) const {
  MutexLock lock(mutex_);
  return links_.contains(agent);
}

bool AgentHub::IsElsewhere(const AgentId& agent) const {
  MutexLock lock(mutex_);
  return !links_.contains(agent) && elsewhere_.contains(agent);
}

std::size_t AgentHub::online() const {
  MutexLock lock(mutex_);
  std::size_t count = links_.size();
  for (const auto& [agent, server] : elsewhere_) {
    if (!links_.contains(agent)) ++count;
  }
  return count;
}

std::size_t AgentHub::elsewhere() const {
  MutexLock lock(mutex_);
  return elsewhere_.size();
}

std::vector<AgentHub::Connection> AgentHub::Connections() const {
  MutexLock lock(mutex_);
  std::vector<Connection> result;
  for (const auto& [agent, stream] : links_) result.push_back({agent, stream.connection});
  return result;
}

absl::Status AgentHub::Send(const AgentId& agent, const v1::ControlResponse& order) {
  std::shared_ptr<AgentLink> link;
  std::optional<ServerId> server;
  Forward forward;
  {
    MutexLock lock(mutex_);
    const auto here = links_.find(agent);
    const auto there = elsewhere_.find(agent);
    if (here != links_.end()) {
      link = here->second.link;
    } else if (there != elsewhere_.end()) {
      server = there->second;
      forward = forward_;
    }
  }
  if (link != nullptr) return link->Send(order) ? absl::OkStatus() : NotConnected();
  if (!server || !forward) return NotConnected();
  return forward(*server, agent, order);
}

absl::Status AgentHub::SendHere(const AgentId& agent, const v1::ControlResponse& order) {
  std::shared_ptr<AgentLink> link;
  {
    MutexLock lock(mutex_);
    const auto it = links_.find(agent);
    if (it != links_.end()) link = it->second.link;
  }
  return link != nullptr && link->Send(order) ? absl::OkStatus() : NotConnected();
}

void AgentHub::Close(const AgentId& agent, const absl::Status& why) {
  std::shared_ptr<AgentLink> link;
  {
    MutexLock lock(mutex_);
    const auto it = links_.find(agent);
    if (it != links_.end()) link = it->second.link;
  }
  if (link != nullptr) link->Close(why);
}

void AgentHub::CloseConnection(const Connection& connection, const absl::Status& why) {
  std::shared_ptr<AgentLink> link;
  {
    MutexLock lock(mutex_);
    const auto it = links_.find(connection.agent);
    if (it != links_.end() && it->second.connection == connection.number) link = it->second.link;
  }
  if (link != nullptr) link->Close(why);
}

void AgentHub::CloseAll(const absl::Status& why) {
  std::vector<std::shared_ptr<AgentLink>> links;
  {
    MutexLock lock(mutex_);
    for (const auto& [agent, stream] : links_) links.push_back(stream.link);
  }
  for (const auto& link : links) link->Close(why);
}

}  // namespace mooring::server
