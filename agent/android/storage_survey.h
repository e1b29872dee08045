// StorageSurvey: what a tree of the phone holds, held against what the snapshot
// has of it.
//
// A file is as it was if path, size and time of modification are; times are
// compared in nanoseconds where both sides have them, else in seconds.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>

#include "agent/android/adb_device.h"
#include "agent/android/file_fetch.h"
#include "agent/android/find_listing.h"
#include "agent/android/gap_list.h"
#include "agent/pipeline/snapshot_builder.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Thread-bound. `builder` and `gaps` outlive it.
class StorageSurvey {
 public:
  struct Options {
    // Which of the files, by their path below the root, are captured.
    std::function<bool(std::string_view path)> is_wanted;
    // Unchanged files that are to be hashed on the phone; may be empty.
    std::function<bool(std::string_view snapshot_path)> is_to_verify;
  };

  StorageSurvey(SnapshotBuilder& builder, GapList& gaps, PhoneTree tree, Options options)
      : builder_(builder), gaps_(gaps), tree_(std::move(tree)), options_(std::move(options)) {}

  // Lists the tree from its start.
  // kNotFound: the phone has no such tree (yet).
  absl::Status Run(const OpContext& ctx, AdbDevice& device, AdbSync& sync);

  // Files that are new or changed, in the order listed.
  std::vector<WantedFile>& wanted() { return wanted_; }
  // Unchanged ones that is_to_verify named.
  const std::vector<WantedFile>& to_verify() const { return to_verify_; }
  std::uint64_t files() const { return files_; }
  std::uint64_t wanted_bytes() const { return wanted_bytes_; }

  // What the snapshot has and the phone no longer, but for what the phone did
  // not let us look at.
  std::vector<std::string> Gone() const;
  // Makes the directories that hold nothing.
  absl::Status KeepEmptyDirectories();

 private:
  void Clear();
  absl::Status Take(const FoundFile& found);
  bool IsUnchanged(std::string_view snapshot_path, const FoundFile& found) const;

  SnapshotBuilder& builder_;
  GapList& gaps_;
  const PhoneTree tree_;
  const Options options_;

  std::vector<WantedFile> wanted_;
  std::vector<WantedFile> to_verify_;
  std::vector<std::string> directories_;  // Paths in the snapshot.
  std::vector<std::string> unreadable_;   // Likewise.
  absl::flat_hash_set<std::uint64_t> seen_;
  std::uint64_t files_ = 0;
  std::uint64_t wanted_bytes_ = 0;
  bool is_partial_ = false;
};

}  // namespace mooring::agent
