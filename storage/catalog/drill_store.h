// Drills: evidence that a snapshot could be decrypted and was whole.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/ids.h"

namespace mooring::storage {

using DrillId = Id<struct DrillIdTag, 16>;

enum class DrillResult {
  kPassed = 1,
  kFailed = 2,      // Content is damaged.
  kIncomplete = 3,  // Something else came between: says nothing about the snapshot.
};

struct DrillRecord {
  DrillId id;
  SnapshotId snapshot;
  DeviceId device;
  std::string requested_by;  // "account:NAME" or "server".
  absl::Time started_at;
  absl::Time finished_at;
  DrillResult result = DrillResult::kIncomplete;
  std::uint64_t file_count = 0;  // Whose digests were compared.
  std::uint64_t bytes = 0;       // Decrypted.
  std::uint64_t chunk_count = 0;
  std::uint64_t damaged_count = 0;  // Files and segments.
  std::string message;              // Names no file.
};

struct DrillView {
  DrillRecord drill;
  std::string serial;  // Empty where the device is gone.
};

class DrillStore {
 public:
  virtual ~DrillStore() = default;

  virtual absl::Status Add(const DrillRecord& record) = 0;
  // Newest first.
  virtual absl::StatusOr<std::vector<DrillView>> List(const std::optional<DeviceId>& device,
                                                      int limit) = 0;
  // Ids of snapshots that are not deleted, only `device`'s where given; those
  // whose last drill is the longest ago, or that had none, first.
  virtual absl::StatusOr<std::vector<SnapshotId>> Candidates(const std::optional<DeviceId>& device,
                                                             int limit) = 0;
};

}  // namespace mooring::storage
