// Compactor: copies what is still of use out of packs with little of it, and out
// of small packs, into new packs. No key of any content is needed: every chunk is
// checked against its id, and the new pack's footer is sealed like any other.
//
// The new pack is named in the catalog before its first byte and live only in the
// transaction that moves the rows, under the exclusive lock, each only if it still
// lies in the old pack. The old pack is doomed by the next round.

#pragma once

#include <cstdint>
#include <vector>

#include <absl/status/status.h>

#include "storage/collection/round.h"
#include "storage/collection/stock.h"

namespace mooring::storage {

// Packs to be rewritten together into one new pack.
struct CompactionGroup {
  std::vector<const PackUse*> packs;
  std::uint64_t kept_bytes = 0;
};

// What a round would rewrite, the packs with the least of use first.
std::vector<CompactionGroup> PlanCompaction(const Stock& stock, const CollectionOptions& options,
                                            absl::Time now);

// Rewrites the groups. A chunk whose bytes are bad becomes lost and stays behind.
absl::Status CompactPacks(const OpContext& ctx, Round& round,
                          const std::vector<CompactionGroup>& groups);

}  // namespace mooring::storage
