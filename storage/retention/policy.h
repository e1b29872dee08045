// Retention as a pure function: snapshots, rules and a time give a verdict and
// its reasons for every snapshot. Plan, simulator and pruner all use this one.
//
// Rules count snapshots and the days, weeks, ... that have one; they never ask
// how long ago something was. So a clock that jumps ahead drops nothing beyond
// what the minimum age alone held, and a phone that was away keeps what it has.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/policy.pb.h"
#include "storage/base/ids.h"

namespace mooring::storage {

struct RetentionRules {
  std::uint32_t keep_last = 1;  // 0 counts as 1: the newest is never dropped.
  std::uint32_t daily = 0;      // The newest of each of the last so many days that have one.
  std::uint32_t weekly = 0;     // ISO 8601 weeks.
  std::uint32_t monthly = 0;
  std::uint32_t yearly = 0;
  absl::Duration minimum_age = absl::ZeroDuration();  // Nothing younger is dropped.
};

// None where the policy states no rule at all: then everything is kept, since a
// section left out must not delete. kInvalidArgument: a bad minimum_age.
absl::StatusOr<std::optional<RetentionRules>> RulesOf(const v1::Retention& retention);

struct RetentionSnapshot {
  SnapshotId id;
  DeviceId device;
  std::uint32_t lineage = 1;   // Judged apart: each lineage is another person's.
  std::uint64_t sequence = 0;  // Tells which is newer, whatever the clock said.
  absl::Time created_at;
  bool is_pinned = false;
  bool is_held = false;
};

struct RetentionMark {
  SnapshotId id;
  bool keep = true;
  // Every rule that keeps it ("keep_last 3", "weekly 2026-W47", "younger than
  // 7d", "pinned", "on hold"), or why it goes ("no rule keeps it").
  std::vector<std::string> reasons;
};

// One mark for each snapshot, in the order given. Days, weeks, months and years
// are of UTC. A snapshot from the future (a clock went wrong) is kept, and takes
// no other's place.
std::vector<RetentionMark> Judge(const std::vector<RetentionSnapshot>& snapshots,
                                 const RetentionRules& rules, absl::Time now);

}  // namespace mooring::storage
