// CareDesk: everything that keeps stored bytes good, put together: scrub,
// replica, self-backup and drills, and the rounds in which the jobs run them.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/care.pb.h"
#include "server/services/server_parts.h"
#include "storage/base/secret_bytes.h"
#include "storage/care/catalog_export.h"
#include "storage/care/drill.h"
#include "storage/care/healer.h"
#include "storage/care/rebuild.h"
#include "storage/care/replica.h"
#include "storage/care/scrub.h"
#include "storage/catalog/care_store.h"
#include "storage/seal/key_ring.h"

namespace mooring::server {

struct CareOptions {
  std::string database_url;
  std::string replica_location;  // For people; empty without a replica.
  storage::ScrubOptions scrub;
  std::uint64_t replica_bytes_per_second = 0;
  std::size_t exports_kept = 14;
  absl::Duration export_every = absl::Hours(24);
  std::size_t drill_snapshots = 3;
  absl::Duration drill_every = absl::Hours(24);
};

// Thread-safe. What it is given outlives it.
class CareDesk {
 public:
  // `replica` may be null. kFailedPrecondition: the catalog has no keys.
  static absl::StatusOr<std::unique_ptr<CareDesk>> Make(const OpContext& ctx, ServerParts& parts,
                                                        storage::KekProvider& kek,
                                                        storage::ObjectStore* replica,
                                                        const CareOptions& options);

  storage::Scrubber& scrubber() { return *scrubber_; }
  storage::ReplicaSync* replica() { return replica_sync_.get(); }  // Null: none is configured.
  storage::CatalogExporter& exporter() { return *exporter_; }
  storage::DrillRunner& drills() { return *drills_; }
  const CareOptions& options() const { return options_; }

  // Brings a catalog of before up to the store, and ends recovery.
  absl::StatusOr<storage::RebuildSummary> Reconcile(
      const OpContext& ctx, const std::string& actor,
      absl::FunctionRef<void(const storage::RebuildProgress&)> progress);

  // Rounds of the jobs. Each does what is due, and nothing where nothing is.
  absl::Status ScrubRound(const OpContext& ctx);
  absl::Status DamageRound(const OpContext& ctx);
  absl::Status ReplicaRound(const OpContext& ctx);
  absl::Status ExportRound(const OpContext& ctx);
  absl::Status DrillRound(const OpContext& ctx);

  // When the newest catalog export was begun; the infinite past without one.
  absl::StatusOr<absl::Time> NewestExport(const OpContext& ctx);

  absl::Status RefreshGauges(const OpContext& ctx);
  absl::StatusOr<v1::GetRepositoryHealthResponse> Health(const OpContext& ctx, bool with_resolved);

 private:
  CareDesk(ServerParts& parts, storage::KekProvider& kek, const CareOptions& options)
      : parts_(parts), kek_(kek), options_(options) {}

  ServerParts& parts_;
  storage::KekProvider& kek_;
  const CareOptions options_;
  SecretBytes pack_index_key_;
  SecretBytes organization_key_;
  std::unique_ptr<storage::Healer> healer_;
  std::unique_ptr<storage::Scrubber> scrubber_;
  std::unique_ptr<storage::ReplicaSync> replica_sync_;
  std::unique_ptr<storage::CatalogExporter> exporter_;
  std::unique_ptr<storage::DrillRunner> drills_;

  Mutex mutex_;
  storage::LostTotals lost_ ABSL_GUARDED_BY(mutex_);  // As of the last damage round.
  bool knows_lost_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time full_sync_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

// kFailedPrecondition after a rebuild that nobody has confirmed: nothing may be
// pruned or collected.
absl::Status CheckRebuildConfirmed(const OpContext& ctx, storage::Catalog& catalog);

v1::Drill DrillMessage(const storage::DrillRecord& drill, const std::string& serial);

}  // namespace mooring::server
