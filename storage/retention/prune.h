// Prune: drops the snapshots that retention no longer keeps, each under the
// policy in force of its person's group. Planned and applied by the same code.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"
#include "storage/repository/repository.h"

namespace mooring::storage {

struct PruneMark {
  SnapshotId snapshot;
  DeviceId device;
  std::string serial;
  absl::Time created_at;
  bool keep = true;
  std::vector<std::string> reasons;
};

struct PruneResult {
  absl::Time as_of;
  std::vector<PruneMark> marks;  // By device, newest first.
  std::uint64_t kept = 0;
  std::uint64_t dropped = 0;
  bool applied = false;
};

// Thread-safe. What it is given outlives it.
class Pruner {
 public:
  Pruner(Catalog& catalog, Repository& repository, Clock& clock)
      : catalog_(catalog), repository_(repository), clock_(clock) {}

  // What Apply would do now. Only `device`'s where given. Snapshots of a group
  // without a policy, or whose policy states no retention, are kept.
  absl::StatusOr<PruneResult> Plan(const OpContext& ctx, const std::optional<DeviceId>& device);

  // Drops them, as Repository::Delete with this actor; the reason in the audit
  // names the policy and `reason`. One that cannot be dropped is kept, says
  // why, and does not stop the rest.
  absl::StatusOr<PruneResult> Apply(const OpContext& ctx, const std::optional<DeviceId>& device,
                                    const std::string& actor, const std::string& reason);

 private:
  absl::Status PlanDevice(const OpContext& ctx, const DeviceId& device, PruneResult& result);
  absl::Status DropOne(const OpContext& ctx, const PruneMark& mark, const std::string& actor,
                       const std::string& reason);

  Catalog& catalog_;
  Repository& repository_;
  Clock& clock_;
};

}  // namespace mooring::storage
