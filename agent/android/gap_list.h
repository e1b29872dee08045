// GapList: what of a phone could not be captured: counts by reason for everyone
// who may see the snapshot, and the paths, which are content, for those who may
// read it (records/gaps.json, sealed like everything else).

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <absl/status/status.h>

#include "agent/pipeline/snapshot_builder.h"
#include "mooring/v1/backup.pb.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

inline constexpr std::string_view kGapsPath = "records/gaps.json";

// Thread-compatible.
class GapList {
 public:
  // Paths that are kept; beyond that gaps are only counted.
  static constexpr std::size_t kNamedMax = 10'000;

  // `path` as in the snapshot, any bytes. A path counts once, with its first reason.
  void Add(std::string_view path, v1::GapReason reason);
  // A file that was read in the end.
  void Remove(std::string_view path);

  bool empty() const { return total_ == 0; }
  std::uint64_t total() const { return total_; }

  // Writes or removes kGapsPath in `builder`.
  absl::Status Store(const OpContext& ctx, SnapshotBuilder& builder) const;
  // Counts, and the result that follows from them.
  void Describe(v1::Capture& capture) const;

 private:
  std::map<std::string, v1::GapReason, std::less<>> named_;
  std::map<v1::GapReason, std::uint64_t> counts_;
  std::uint64_t total_ = 0;
};

}  // namespace mooring::agent
