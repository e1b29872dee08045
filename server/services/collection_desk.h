// CollectionDesk: garbage collection as this server runs it: under the fleet's
// lease of the job, when it is due or when somebody asks.

#pragma once

#include <atomic>
#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/collection.pb.h"
#include "server/metrics/fleet_figures.h"
#include "server/services/server_parts.h"
#include "storage/base/secret_bytes.h"
#include "storage/catalog/database_clock.h"
#include "storage/collection/collector.h"

namespace mooring::server {

// Thread-safe. `parts` outlives it.
class CollectionDesk {
 public:
  CollectionDesk(ServerParts& parts, SecretBytes pack_index_key,
                 const storage::CollectionOptions& options);

  // One round. kFailedPrecondition: a round runs, here or on another server; and as
  // storage::Collector::Collect.
  absl::StatusOr<v1::CollectionReport> Collect(const OpContext& ctx, const storage::RunOptions& run,
                                               storage::CollectionProgress progress);
  // The same if none was begun for `period`. None: it is not due, or it runs elsewhere.
  absl::StatusOr<std::optional<v1::CollectionReport>> CollectIfDue(const OpContext& ctx,
                                                                   absl::Duration period);
  absl::StatusOr<v1::CollectionReport> Plan(const OpContext& ctx,
                                            storage::CollectionProgress progress);
  absl::Status ClearStop(const OpContext& ctx, const std::string& actor, const std::string& reason);
  absl::StatusOr<v1::GetRepositoryStatusResponse> Describe(const OpContext& ctx);

  // For another collector of this server's: exports of the catalog (self-backup).
  storage::CollectionParts& collection_parts() { return collection_; }

 private:
  // False: somebody has it.
  absl::StatusOr<bool> TakeLease(const OpContext& ctx);
  void ReturnLease(const OpContext& ctx);

  ServerParts& parts_;
  const SecretBytes pack_index_key_;
  const std::string holder_;
  storage::CatalogClock database_clock_;
  storage::CollectionParts collection_;
  storage::Collector collector_;
  std::atomic<bool> is_collecting_ = false;
};

// What the gauges show of collection, from the catalog's last round.
absl::Status FillCollectionFigures(storage::Transaction& tx, FleetFigures& figures);

}  // namespace mooring::server
