// Unlink: removes the objects of doomed packs whose time is up, then their rows.

#pragma once

#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>

#include "storage/base/ids.h"
#include "storage/collection/round.h"

namespace mooring::storage {

// Removes at most the day's share of `stored_bytes`; `ignore_share` lifts that.
// A pack stays that no journal names, that the store has locked, or in which a
// commit record without a snapshot names a chunk. kDataLoss: a doomed pack holds
// a row that is not doomed.
absl::Status UnlinkDoomedPacks(const OpContext& ctx, Round& round,
                               const absl::flat_hash_set<PackId>& journaled,
                               std::uint64_t stored_bytes, bool ignore_share);

}  // namespace mooring::storage
