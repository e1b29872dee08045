// Standings: what agents are told of the phones that are plugged in at them, and
// again whenever it changes.

#pragma once

#include <string>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include "server/services/server_parts.h"
#include "storage/catalog/device_store.h"

namespace mooring::server {

// Thread-safe.
class Standings {
 public:
  explicit Standings(ServerParts& parts) : parts_(parts) {}

  // What `agent` should know of `view` now.
  static absl::StatusOr<v1::DeviceStanding> Of(storage::Transaction& tx,
                                               const storage::DeviceView& view,
                                               const AgentId& agent, absl::Time now);

  // Tells the agent where the phone is plugged in, if there is one.
  void Push(const OpContext& ctx, const std::string& serial);
  // The same for every phone whose standing is not what its agent was told last:
  // time alone makes a backup due.
  absl::Status PushChanges(const OpContext& ctx);

 private:
  void Send(const AgentId& agent, const v1::DeviceStanding& standing);

  ServerParts& parts_;
  Mutex mutex_;
  // Last told, by agent and serial; only of phones that are plugged in.
  absl::flat_hash_map<std::string, std::string> told_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::server
