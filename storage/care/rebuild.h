// Rebuild: a whole catalog from the object store and the recovery kit alone.
//
// Key objects give keys and domains; packs give packs and chunks by way of their
// footers; complete and untombstoned commit records give snapshots, and what of
// devices and sessions is newer than the newest readable catalog export; that
// export gives everything else. All in one transaction: an attempt that is
// killed has done nothing.
//
// What differs from the catalog that was lost: deploy/docs/repository-care.md,
// "What a rebuild cannot know".

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/care/healer.h"
#include "storage/catalog/catalog.h"
#include "storage/objects/object_store.h"
#include "storage/seal/key_ring.h"

namespace mooring::storage {

struct RebuildProgress {
  std::string step;  // For people: "packs", "snapshots", ...
  std::uint64_t done = 0;
};

struct RebuildSummary {
  std::string export_name;  // Empty: there was none that could be read.
  absl::Time export_made_at;
  std::uint64_t exports_unreadable = 0;
  std::uint64_t rows_loaded = 0;
  std::uint64_t packs = 0;
  std::uint64_t packs_unreadable = 0;
  std::uint64_t chunks_left_out = 0;  // Of domains whose key is gone.
  std::uint64_t keys = 0;
  std::uint64_t keys_unreadable = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t snapshots_newer = 0;       // Of those, than the export.
  std::uint64_t snapshots_incomplete = 0;  // Never committed, or their chunks are gone: left out.
  std::uint64_t snapshots_damaged = 0;     // Committed, with chunks that are lost.
  std::uint64_t snapshots_lost = 0;        // In the export, and their record or key is gone.
  std::uint64_t tombstones = 0;
  // Of a reconciliation alone.
  std::uint64_t snapshots_deleted = 0;  // That the catalog thought alive.
  std::uint64_t chunks_lost = 0;        // Whose pack is gone, or on its way out.
  std::vector<std::string> remarks;     // For people; at most 1000.
  // Packs that a doom journal names and that are still there.
  std::vector<PackId> journaled;
};

struct RebuildParts {
  ObjectStore& objects;
  KekProvider& kek;
  std::string database_url;
  Clock& clock;
  Random& random;
  // Name for an organization of which no export tells.
  std::string organization;
  bool single_admin = false;
};

// kFailedPrecondition: the database is not empty, the store holds no repository,
// or it was made with another key-encryption key. Nothing is written to the store.
absl::StatusOr<RebuildSummary> RebuildCatalog(
    const OpContext& ctx, const RebuildParts& parts,
    absl::FunctionRef<void(const RebuildProgress&)> progress);

// Brings a catalog that is older than the store up to it: one that was restored
// from a backup of yesterday, or a standby that lagged. Snapshots that it has
// forgotten come back from their commit records, packs from their footers;
// deletions that it has forgotten are repeated, keys with them; chunks whose
// pack is gone become lost; sessions that it thinks open are over.
// In one transaction under the exclusive repository lock, so that an attempt that
// is killed has done nothing. Rows that nothing in the store knows (people,
// policies, holds of since then) stay forgotten: as after a rebuild, nothing is
// pruned before a person has confirmed it. The epoch is the caller's.
absl::StatusOr<RebuildSummary> ReconcileCatalog(
    const OpContext& ctx, const RebuildParts& parts,
    absl::FunctionRef<void(const RebuildProgress&)> progress);

// After a reconciliation: whatever rows still point to in `summary.journaled` is
// copied out, verified. The journal may be of a collector that did not know of
// the rollback and may yet act on it, and snapshots committed since may stand on
// those packs (storage/design/gc-safety.md, RECONCILE). What cannot be read is
// lost. After a rebuild nobody can act on a journal: packs are removed by rows.
absl::Status LeaveJournaledPacks(const OpContext& ctx, Catalog& catalog, Healer& healer,
                                 RebuildSummary& summary);

}  // namespace mooring::storage
