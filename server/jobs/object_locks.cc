#include "server/jobs/object_locks.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/catalog/pack_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/objects/object_layout.h"

namespace mooring::server {
namespace {

constexpr std::int64_t kSweepsInALock = 4;

std::int64_t HourOf(absl::Time time) {
  return absl::ToUnixSeconds(time) / 3600;
}

}  // namespace

bool IsTurnOf(std::uint32_t number, std::int64_t done_hour, std::int64_t hour,
              std::int64_t sweep_hours) {
  if (hour - done_hour >= sweep_hours) return true;
  const std::int64_t own = std::int64_t{number} % sweep_hours;
  const std::int64_t first = done_hour + 1;
  const std::int64_t wait = (own - first % sweep_hours + sweep_hours) % sweep_hours;
  return first + wait <= hour;
}

ObjectLocks::ObjectLocks(storage::Catalog& catalog, storage::ObjectStore& objects, Clock& clock,
                         absl::Duration lock)
    : catalog_(catalog),
      objects_(objects),
      clock_(clock),
      lock_(lock),
      sweep_hours_(absl::ToInt64Hours(lock) / kSweepsInALock),
      done_hour_(HourOf(clock.Now()) - 1),
      commits_since_(clock.Now() - absl::Hours(24)) {
  MOORING_CHECK(sweep_hours_ > 0);
}

bool ObjectLocks::IsDue(ByteView id, std::int64_t hour) const {
  return IsTurnOf(LoadLe32(id, 0), done_hour_, hour, sweep_hours_);
}

absl::Status ObjectLocks::Round(const OpContext& ctx) {
  const absl::Time now = clock_.Now();
  const std::int64_t hour = HourOf(now);
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> keys, DueKeys(ctx, hour));
  std::size_t missing = 0;
  for (const std::string& key : keys) {
    const absl::Status locked = objects_.ExtendLock(ctx, key, clock_.Now() + lock_);
    if (absl::IsNotFound(locked)) {
      ++missing;  // Lost, or removed since the list; to find out is the scrub's work.
      continue;
    }
    MOORING_RETURN_IF_ERROR(Annotate(locked, "renewing object locks"));
  }
  done_hour_ = std::max(done_hour_, hour);
  // Whoever commits at this moment is taken along by the next round.
  commits_since_ = now - absl::Hours(1);
  if (missing == 0) return absl::OkStatus();
  return absl::NotFoundError(
      fmt::format("renewing object locks: {} of {} objects are not there; `mooring repository "
                  "scrub` tells which",
                  missing, keys.size()));
}

absl::StatusOr<std::vector<std::string>> ObjectLocks::DueKeys(const OpContext& ctx,
                                                              std::int64_t hour) {
  std::vector<std::string> keys;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    keys.clear();
    MOORING_ASSIGN_OR_RETURN(const auto packs, tx.packs().List(storage::PackState::kLive));
    for (const storage::PackRecord& pack : packs) {
      if (IsDue(pack.id.view(), hour)) keys.push_back(storage::PackObjectKey(pack.id));
    }
    MOORING_ASSIGN_OR_RETURN(const auto snapshots, tx.snapshots().List({}));
    for (const storage::SnapshotView& view : snapshots) {
      const storage::SnapshotRecord& snapshot = view.snapshot;
      if (snapshot.created_at >= commits_since_ || IsDue(snapshot.id.view(), hour)) {
        keys.push_back(storage::CommitRecordObjectKey(snapshot.id));
      }
    }
    return absl::OkStatus();
  }));
  return keys;
}

}  // namespace mooring::server
