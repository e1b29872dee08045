#include "server/services/agent_hub.h"

#include <utility>
#include <vector>

namespace mooring::server {

void AgentHub::Connect(const AgentId& agent, std::shared_ptr<AgentLink> link) {
  std::shared_ptr<AgentLink> before;
  {
    MutexLock lock(mutex_);
    before = std::exchange(links_[agent], std::move(link));
  }
  if (before != nullptr) {
    before->Close(absl::AbortedError(
        "this agent has connected again; is its state directory used on two workstations?"));
  }
}

bool AgentHub::Disconnect(const AgentId& agent, const AgentLink* link) {
  MutexLock lock(mutex_);
  const auto it = links_.find(agent);
  if (it == links_.end() || it->second.get() != link) return false;
  links_.erase(it);
  return true;
}

bool AgentHub::IsOnline(const AgentId& agent) const {
  MutexLock lock(mutex_);
  return links_.contains(agent);
}

std::size_t AgentHub::online() const {
  MutexLock lock(mutex_);
  return links_.size();
}

absl::Status AgentHub::Send(const AgentId& agent, const v1::ControlResponse& order) {
  std::shared_ptr<AgentLink> link;
  {
    MutexLock lock(mutex_);
    const auto it = links_.find(agent);
    if (it != links_.end()) link = it->second;
  }
  if (link == nullptr || !link->Send(order)) {
    return absl::UnavailableError("the agent is not connected");
  }
  return absl::OkStatus();
}

void AgentHub::Close(const AgentId& agent, const absl::Status& why) {
  std::shared_ptr<AgentLink> link;
  {
    MutexLock lock(mutex_);
    const auto it = links_.find(agent);
    if (it != links_.end()) link = it->second;
  }
  if (link != nullptr) link->Close(why);
}

void AgentHub::CloseAll(const absl::Status& why) {
  std::vector<std::shared_ptr<AgentLink>> links;
  {
    MutexLock lock(mutex_);
    for (const auto& [agent, link] : links_) links.push_back(link);
  }
  for (const auto& link : links) link->Close(why);
}

}  // namespace mooring::server
