// AgentHub: the agents whose control stream is open, here or at another server of
// the organization, and orders to them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

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
  // Carries an order to another server, on the caller's thread.
  using Forward =
      std::function<absl::Status(const ServerId&, const AgentId&, const v1::ControlResponse&)>;
  struct Connection {
    AgentId agent;
    std::uint64_t number = 0;
  };

  // A number that no stream of this process has had.
  std::uint64_t NewConnection();
  // `link` is the agent's stream from now on; an earlier one is closed.
  void Connect(const AgentId& agent, std::shared_ptr<AgentLink> link, std::uint64_t connection);
  // The number of the connection; none if `link` is not the agent's stream any more.
  std::optional<std::uint64_t> Disconnect(const AgentId& agent, const AgentLink* link);

  // Agents whose stream is at another server that is alive, in place of those
  // known before. A stream that is here counts more.
  void SetElsewhere(absl::flat_hash_map<AgentId, ServerId> elsewhere);
  // Once, before the first order.
  void SetForward(Forward forward);

  bool IsOnline(const AgentId& agent) const;  // Here or elsewhere.
  bool IsHere(const AgentId& agent) const;
  bool IsElsewhere(const AgentId& agent) const;
  std::size_t online() const;
  std::size_t elsewhere() const;
  std::vector<Connection> Connections() const;  // Those here.

  // To wherever the agent is. Blocks for the catalog where that is elsewhere. OK says
  // that it is on its way. kUnavailable: the agent is not connected.
  absl::Status Send(const AgentId& agent, const v1::ControlResponse& order);
  // Only to an agent whose stream is here; does not block.
  absl::Status SendHere(const AgentId& agent, const v1::ControlResponse& order);
  void Close(const AgentId& agent, const absl::Status& why);
  // Only that stream of the agent.
  void CloseConnection(const Connection& connection, const absl::Status& why);
  void CloseAll(const absl::Status& why);

 private:
  struct Stream {
    std::shared_ptr<AgentLink> link;
    std::uint64_t connection = 0;
  };

  mutable Mutex mutex_;
  std::uint64_t last_connection_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<AgentId, Stream> links_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<AgentId, ServerId> elsewhere_ ABSL_GUARDED_BY(mutex_);
  Forward forward_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::server
