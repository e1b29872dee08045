// Orphan sweep: what writers that died left behind, and records of snapshots that
// are deleted. Only in a round whose epoch was checked.

#pragma once

#include <vector>

#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>
#include <absl/time/time.h>

#include "storage/collection/round.h"
#include "storage/collection/stock.h"

namespace mooring::storage {

// What SweepOrphanPacks would look at: old staged packs and old pack objects
// without a row. They are journaled before any of them goes.
std::vector<PackId> OrphansOf(const Stock& stock, const CollectionOptions& options, absl::Time now);

// Of the orphans that `journaled` names: staged packs of sessions that are over
// (row first, then the object), and pack objects without a row. While any commit
// record has no snapshot, no object is removed: it may stand on any of them.
absl::Status SweepOrphanPacks(const OpContext& ctx, Round& round, const Stock& stock,
                              const absl::flat_hash_set<PackId>& journaled);

// Commit records of deleted snapshots, whose tombstone says so for good.
absl::Status SweepDeletedRecords(const OpContext& ctx, Round& round);

}  // namespace mooring::storage
