// What the pruner remembers: its rounds, and which lineages it found in order.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/retention.pb.h"
#include "storage/base/ids.h"
#include "storage/catalog/row_lock.h"

namespace mooring::storage {

struct PruneState {
  std::optional<absl::Time> last_run_at;
  std::string stopped;     // Why no round may begin; empty if one may.
  v1::PruneStatus status;  // Of the last round.
};

struct PauseMemoryRecord {
  DeviceId device;
  std::uint32_t lineage = 1;
  std::uint64_t accepted_sequence = 0;  // By a person.
  std::uint64_t settled_sequence = 0;   // By the pruner.
};

class PruneStore {
 public:
  virtual ~PruneStore() = default;

  virtual absl::StatusOr<PruneState> Get(RowLock lock = RowLock::kNone) = 0;
  // A round begins. Never goes back in time: an earlier time changes nothing.
  virtual absl::Status RecordRun(absl::Time at) = 0;
  virtual absl::Status RecordStatus(const v1::PruneStatus& status) = 0;
  // Why no round may begin from now on; empty lets them begin again.
  virtual absl::Status SetStopped(const std::string& why) = 0;

  virtual absl::StatusOr<std::vector<PauseMemoryRecord>> ListMemory(const DeviceId& device) = 0;
  // Each number only ever grows.
  virtual absl::Status Remember(const PauseMemoryRecord& record) = 0;

  // Snapshots that are not deleted, of the people of a group.
  virtual absl::StatusOr<std::uint64_t> CountSnapshotsOfGroup(const std::string& group) = 0;
  // When the newest snapshot that is not deleted was made, of any device.
  virtual absl::StatusOr<std::optional<absl::Time>> NewestSnapshotAt() = 0;
};

}  // namespace mooring::storage
