// StorageCapture: the shared storage and the memory cards of a phone, brought
// into the snapshot: list, compare, move what was renamed, read what changed,
// list once more for what changed meanwhile.

#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/android/file_fetch.h"
#include "agent/android/gap_list.h"
#include "agent/android/phone_line.h"
#include "agent/android/storage_index.h"
#include "agent/android/storage_survey.h"
#include "agent/device/device.h"
#include "agent/pipeline/snapshot_builder.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// What all steps of a capture share. Everything it refers to outlives them.
struct CaptureParts {
  Clock& clock;
  PhoneLine& line;
  SnapshotBuilder& builder;
  StorageIndex& index;
  GapList& gaps;
  ProgressSink& progress;
  FetchBudget& budget;
  // Categories that are captured.
  const std::set<v1::Category>& categories;
  std::vector<std::string>& remarks;
  // Changes when the phone is reset and its providers count from one again.
  std::uint64_t phone_key = 0;

  bool Wants(v1::Category category) const { return categories.count(category) > 0; }
};

// Thread-bound.
class StorageCapture {
 public:
  explicit StorageCapture(const CaptureParts& parts) : parts_(parts) {}

  // Errors are the session's end; what cannot be read is a gap.
  absl::Status Run(const OpContext& ctx);
  std::uint64_t files() const { return files_; }

 private:
  absl::StatusOr<std::vector<PhoneTree>> Trees(const OpContext& ctx);
  absl::Status CaptureTree(const OpContext& ctx, const PhoneTree& tree);
  absl::Status List(const OpContext& ctx, StorageSurvey& survey);
  absl::Status DropGone(const OpContext& ctx, StorageSurvey& survey, const PhoneTree& tree);
  absl::Status FollowRenames(const OpContext& ctx, const std::vector<std::string>& gone,
                             StorageSurvey& survey, const PhoneTree& tree);
  absl::Status VerifyUnchanged(const OpContext& ctx, StorageSurvey& survey, const PhoneTree& tree);
  bool IsWanted(std::string_view path, bool is_card) const;

  const CaptureParts parts_;
  std::uint64_t files_ = 0;
};

}  // namespace mooring::agent
