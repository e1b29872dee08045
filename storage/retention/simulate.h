// Simulator: what rules keep of a phone that is backed up evenly for years. Pure;
// the same judgment as the pruner's, once a day.

#pragma once

#include <absl/status/statusor.h>

#include "mooring/v1/retention.pb.h"

namespace mooring::storage {

inline constexpr std::uint32_t kSimulatedPerWeekMax = 50;
inline constexpr std::uint32_t kSimulatedYearsMax = 20;

// The first backup is on a Monday of a year that begins with one. Numbers that are
// left out are filled in. kInvalidArgument: a number above its bound, or rules that
// cannot be read.
absl::StatusOr<v1::SimulatePolicyResponse> Simulate(const v1::SimulatePolicyRequest& request);

}  // namespace mooring::storage
