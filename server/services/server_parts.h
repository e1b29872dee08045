// ServerParts: what the services are made of, by reference. Built once, by
// Server, which outlives every service.

#pragma once

#include <stop_token>
#include <string>

#include <absl/time/time.h>

#include "server/auth/authenticator.h"
#include "server/auth/certificate_authority.h"
#include "server/log/log.h"
#include "server/metrics/server_metrics.h"
#include "server/services/agent_hub.h"
#include "server/services/peers.h"
#include "server/services/session_board.h"
#include "server/services/slot_queue.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/random.h"
#include "storage/catalog/catalog.h"
#include "storage/objects/object_store.h"
#include "storage/repository/repository.h"
#include "storage/retention/prune.h"

namespace mooring::server {

inline constexpr char kServerVersion[] = MOORING_VERSION;

// Where others reach this server, HOST:PORT each. Known once it listens.
// Thread-safe.
class PublicAddresses {
 public:
  void Set(const std::string& agents, const std::string& enrollment) {
    MutexLock lock(mutex_);
    agents_ = agents;
    enrollment_ = enrollment;
  }
  std::string agents() const {
    MutexLock lock(mutex_);
    return agents_;
  }
  std::string enrollment() const {
    MutexLock lock(mutex_);
    return enrollment_;
  }

 private:
  mutable Mutex mutex_;
  std::string agents_ ABSL_GUARDED_BY(mutex_);
  std::string enrollment_ ABSL_GUARDED_BY(mutex_);
};

struct ServerSettings {
  std::string organization;
  std::string database;    // For people; no password.
  std::string repository;  // For people.
  bool single_admin = false;
  absl::Duration lease = absl::Minutes(30);
  std::uint64_t store_reserve_bytes = 0;  // 0: 5 GiB or a tenth of the store.
  std::uint64_t session_quota_bytes = 0;  // 0: the free space less the reserve.
  absl::Duration upload_idle = storage::kPackIdle;
  absl::Time started_at;
  storage::PruneLimits prune_limits;
  absl::Duration prune_period = absl::Hours(24);
};

struct ServerParts {
  storage::Catalog& catalog;
  storage::ObjectStore& objects;
  storage::Repository& repository;
  CertificateAuthority& authority;
  AgentAuthenticator& agent_authenticator;
  FailureLimiter& failures;
  SlotQueue& slots;
  SessionBoard& board;
  AgentHub& hub;
  Peers& peers;
  ServerMetrics& metrics;
  PublicAddresses& addresses;
  Log& log;
  Clock& clock;
  Random& random;
  const ServerSettings& settings;
};

// Room in the object store.
struct StoreRoom {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t reserve_bytes = 0;

  bool full() const { return free_bytes < reserve_bytes; }
  // Running sessions may eat half of the reserve: stopping them wastes what they did.
  bool exhausted() const { return free_bytes < reserve_bytes / 2; }
  std::uint64_t usable_bytes() const { return full() ? 0 : free_bytes - reserve_bytes; }
};
absl::StatusOr<StoreRoom> RoomOf(const OpContext& ctx, const ServerParts& parts);

// The audit record of something that `actor` does now.
storage::AuditRecord AuditOf(const ServerParts& parts, std::string actor, std::string action,
                             std::string subject, std::string detail_json = "{}");

// The id in a request's `bytes` field. kInvalidArgument names `what`.
template <typename IdType>
absl::StatusOr<IdType> IdFrom(const std::string& bytes, std::string_view what) {
  const auto id = IdType::FromBytes(std::string_view(bytes));
  if (!id) {
    return absl::InvalidArgumentError(std::string(what) + " must be " +
                                      std::to_string(IdType::kBytes) + " bytes");
  }
  return *id;
}

// Overwrites `text`, which held a secret, and empties it.
void WipeText(std::string& text);

}  // namespace mooring::server
