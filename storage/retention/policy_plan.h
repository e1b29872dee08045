// PolicyPlan: what a changed policy would do to the fleet as it stands, judged by the
// same function that the pruner uses.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/policy.pb.h"
#include "mooring/v1/retention.pb.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"

namespace mooring::storage {

// Snapshots that an answer names at most, and so its size.
inline constexpr std::size_t kPlannedSnapshotsMax = 10'000;

// Reads each device in a transaction of its own, and changes nothing.
absl::StatusOr<v1::PlanPolicyResponse> PlanPolicyChange(const OpContext& ctx, Catalog& catalog,
                                                        const v1::Policy& policy, absl::Time as_of);

// What applying `policy` would lower, for people; that needs a second person. Empty
// also where its group has no snapshot that could be lost by it.
absl::StatusOr<std::vector<std::string>> LoweredByPolicy(Transaction& tx, const v1::Policy& policy);

}  // namespace mooring::storage
