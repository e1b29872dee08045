// Prune: drops the snapshots that retention no longer keeps, each under the policy
// in force of its person's group. Planned, explained and applied by the same code.
//
// Only the server's clock counts, and time going wrong can only delay: a round is
// refused where the clock is behind the newest snapshot or the last round, or more
// than a minute away from the database's.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/retention.pb.h"
#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/database_clock.h"
#include "storage/repository/repository.h"

namespace mooring::storage {

// Servers that share a database need not agree to the second.
inline constexpr absl::Duration kClockTolerance = absl::Seconds(60);

// How much one round may drop.
struct PruneLimits {
  std::uint64_t drops_max = 1000;
  std::uint32_t percent_max = 10;  // Of all snapshots that were looked at,
  std::uint64_t drops_free = 20;   // though never fewer than these.

  std::uint64_t Allowed(std::uint64_t snapshots) const;
};

struct PruneMark {
  SnapshotId snapshot;
  DeviceId device;
  std::string serial;
  absl::Time created_at;
  v1::RetentionVerdict verdict;
};

struct PruneResult {
  absl::Time as_of;
  std::vector<PruneMark> marks;  // By device, newest first.
  std::vector<v1::PruningPause> pauses;
  std::uint64_t kept = 0;  // Deferred and failed ones too.
  std::uint64_t dropped = 0;
  std::uint64_t deferred = 0;  // Due to go, and beyond the cap.
  std::uint64_t failed = 0;    // Due to go, and refused: a hold came, or the store failed.
  std::string refused;         // A plan: why Apply would do nothing now.
  bool applied = false;
};

// Thread-safe. What it is given outlives it.
class Pruner {
 public:
  // Without `database_clock` the server's clock is compared with none.
  Pruner(Catalog& catalog, Repository& repository, Clock& clock, PruneLimits limits = {},
         DatabaseClock* database_clock = nullptr)
      : catalog_(catalog),
        repository_(repository),
        clock_(clock),
        limits_(limits),
        database_clock_(database_clock) {}

  // What Apply would do now. Only `device`'s where given. Snapshots of a group
  // without a policy, or whose policy states no retention, are kept.
  absl::StatusOr<PruneResult> Plan(const OpContext& ctx, const std::optional<DeviceId>& device);

  // Drops them, oldest first up to the cap, as Repository::Delete with this actor;
  // the reason in the audit names `reason`. Each is judged again in the transaction
  // that decides it. One that cannot be dropped is kept, says why, and does not stop
  // the rest. kFailedPrecondition: the clock is behind, or pruning is stopped; then
  // nothing is dropped, and the status says it.
  absl::StatusOr<PruneResult> Apply(const OpContext& ctx, const std::optional<DeviceId>& device,
                                    const std::string& actor, const std::string& reason);

  // Apply for every device, unless a round began less than `period` ago, on whatever
  // server: then nothing, and no result.
  absl::StatusOr<std::optional<PruneResult>> ApplyIfDue(const OpContext& ctx,
                                                        absl::Duration period);

 private:
  absl::Status PlanDevice(const OpContext& ctx, const DeviceId& device, PruneResult& result);
  // Why the two clocks keep a round from beginning; empty if they agree.
  absl::StatusOr<std::string> WhyNotByClocks(const OpContext& ctx);
  absl::Status Begin(const OpContext& ctx, absl::Time now);
  absl::StatusOr<std::uint64_t> CompleteDecided(const OpContext& ctx);
  void Drop(const OpContext& ctx, const std::string& actor, const std::string& reason,
            PruneResult& result);
  absl::Status DropOne(const OpContext& ctx, const PruneMark& mark, const std::string& actor,
                       const std::string& reason);
  absl::Status RecordStatus(const OpContext& ctx, const PruneResult& result);
  absl::Status RecordRefusal(const OpContext& ctx, const std::string& why, absl::Time now);

  Catalog& catalog_;
  Repository& repository_;
  Clock& clock_;
  const PruneLimits limits_;
  DatabaseClock* const database_clock_;
};

}  // namespace mooring::storage
