// Damage: how many chunks of each snapshot are lost, as snapshots show it.

#pragma once

#include <cstdint>

#include <absl/status/statusor.h>

#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"

namespace mooring::storage {

struct DamageSummary {
  std::uint64_t lost_chunks = 0;
  std::uint64_t damaged_snapshots = 0;
};

// Counts anew, for every snapshot that is not deleted, which of its references
// are lost: called as soon as chunks are lost or healed. Two at once, or one
// beside a change, may leave an older count; the next call mends it. Memory: the
// set of lost chunks and the references of a few snapshots.
absl::StatusOr<DamageSummary> RefreshDamage(const OpContext& ctx, Catalog& catalog);

}  // namespace mooring::storage
