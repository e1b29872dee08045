// CollectionPlan: what the steps of a round would change, from the mark and the
// stock alone.

#pragma once

#include <absl/status/status.h>

#include "storage/retention/mark.h"
#include "storage/retention/round.h"
#include "storage/retention/stock.h"

namespace mooring::storage {

// Adds to `report` what would be condemned, doomed, removed, compacted and swept.
absl::Status PlanSteps(const OpContext& ctx, CollectionParts& parts,
                       const CollectionOptions& options, const CollectionState& state,
                       const Mark& mark, const Stock& stock, v1::CollectionReport& report);

}  // namespace mooring::storage
