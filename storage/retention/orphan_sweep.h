// Orphan sweep: what writers that died left behind, and records of snapshots that
// are deleted. Only in a round whose epoch was checked.

#pragma once

#include <absl/status/status.h>

#include "storage/retention/round.h"
#include "storage/retention/stock.h"

namespace mooring::storage {

// Staged packs of sessions that are over (row first, then the object), and pack
// objects without a row. While any commit record has no snapshot, no object is
// removed: it may stand on any of them.
absl::Status SweepOrphanPacks(const OpContext& ctx, Round& round, const Stock& stock);

// Commit records of deleted snapshots, whose tombstone says so for good.
absl::Status SweepDeletedRecords(const OpContext& ctx, Round& round);

}  // namespace mooring::storage
