// CollectionPlan: what the steps of a round would change, from the mark and the
// stock alone.

#pragma once

#include <absl/status/status.h>

#include "storage/collection/mark.h"
#include "storage/collection/round.h"
#include "storage/collection/stock.h"

namespace mooring::storage {

// Adds to `report` what would be condemned, doomed, removed, compacted and swept.
absl::Status PlanSteps(const OpContext& ctx, CollectionParts& parts,
                       const CollectionOptions& options, const CollectionState& state,
                       const Mark& mark, const Stock& stock, v1::CollectionReport& report);

}  // namespace mooring::storage
