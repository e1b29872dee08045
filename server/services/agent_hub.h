// AgentHub: the agents whose control stream is open, and orders to them.

#pragma once

#include <cstddef>
#include <memory>

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include "mooring/v1/agent.pb.h"
#include "storage/base/ids.h"
#include "storage/base/mutex.h"

namespace mooring::server {

// One open control stream. Thread-safe; neither call blocks.
class AgentLink {
 public:
  virtual ~AgentLink() = default;
  // False: the stream is over, or so far behind that it is being ended.
  virtual bool Send(const v1::ControlResponse& order) = 0;
  virtual void Close(const absl::Status& why) = 0;
};

// Thread-safe.
class AgentHub {
 public:
  // `link` is the agent's stream from now on; an earlier one is closed.
  void Connect(const AgentId& agent, std::shared_ptr<AgentLink> link);
  // False if `link` is not the agent's stream any more.
  bool Disconnect(const AgentId& agent, const AgentLink* link);

  bool IsOnline(const AgentId& agent) const;
  std::size_t online() const;

  // kUnavailable: the agent is not connected.
  absl::Status Send(const AgentId& agent, const v1::ControlResponse& order);
  void Close(const AgentId& agent, const absl::Status& why);
  void CloseAll(const absl::Status& why);

 private:
  mutable Mutex mutex_;
  absl::flat_hash_map<AgentId, std::shared_ptr<AgentLink>> links_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::server
