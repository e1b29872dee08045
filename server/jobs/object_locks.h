// ObjectLocks: keeps what is needed locked, where a deployment locks objects.
//
// A pack is locked when it is written, a commit record here, soon after its commit.
// After that each gets the whole time anew four times within it, in hours that its
// own id chooses: so every round has its share, a server that was down for days
// catches up, and no list of what was done when is kept. What nothing needs any more
// (a doomed pack, a deleted snapshot) is left to its lock's end.
//
// Several servers may do the same round: a lock is never shortened.

#pragma once

#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"
#include "storage/objects/object_store.h"

namespace mooring::server {

inline constexpr absl::Duration kObjectLockRound = absl::Hours(1);

// Whether the turn of an object with this number, one hour of every `sweep_hours`, is
// among the hours after `done_hour` up to `hour`.
bool IsTurnOf(std::uint32_t number, std::int64_t done_hour, std::int64_t hour,
              std::int64_t sweep_hours);

// Thread-compatible.
class ObjectLocks {
 public:
  // `lock` is a day at least. The references outlive this.
  ObjectLocks(storage::Catalog& catalog, storage::ObjectStore& objects, Clock& clock,
              absl::Duration lock);

  // What is due since the round before; at the first, of this hour and of the
  // commits of the last day.
  absl::Status Round(const OpContext& ctx);

 private:
  bool IsDue(ByteView id, std::int64_t hour) const;
  absl::StatusOr<std::vector<std::string>> DueKeys(const OpContext& ctx, std::int64_t hour);

  storage::Catalog& catalog_;
  storage::ObjectStore& objects_;
  Clock& clock_;
  const absl::Duration lock_;
  const std::int64_t sweep_hours_;  // In which every object has its turn.
  std::int64_t done_hour_;          // The last one that a round has dealt with.
  absl::Time commits_since_;
};

}  // namespace mooring::server
