// FileFetch: brings listed files of one directory tree of the phone into the
// snapshot: small ones as tar batches over one stream, large ones one by one.
// Unplugged, it waits for the phone and goes on: a large file from the byte
// where it was, a batch with the member that was in flight.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>

#include "agent/android/gap_list.h"
#include "agent/android/phone_line.h"
#include "agent/android/storage_index.h"
#include "agent/device/device.h"
#include "agent/pipeline/snapshot_builder.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// A file that is to be read, as it was listed.
struct WantedFile {
  std::string path;  // Below the tree's root.
  std::uint64_t size_bytes = 0;
  std::int64_t modified_unix_ns = 0;
  std::uint64_t inode = 0;
  std::uint32_t mode = 0;
};

// Where a tree is on the phone and in the snapshot.
struct PhoneTree {
  std::string phone_root;     // For example /sdcard.
  std::string snapshot_root;  // For example storage/internal.
  // App packages go alone: they are few, large and the organization's.
  Domain domain = Domain::kPerson;
};

// What a session may still read, and how much there is to read.
struct FetchBudget {
  std::uint64_t quota_bytes = 0;  // 0: no limit.
  std::uint64_t read_bytes = 0;
  std::uint64_t total_bytes = 0;  // For the percentage.
};

// From this size on a file is read alone.
inline constexpr std::uint64_t kLargeFileBytes = std::uint64_t{1} << 20;

// Thread-bound. Everything it refers to outlives it.
class FileFetch {
 public:
  struct Parts {
    PhoneLine& line;
    SnapshotBuilder& builder;
    StorageIndex& index;
    GapList& gaps;
    ProgressSink& progress;
    FetchBudget& budget;
  };

  FileFetch(const Parts& parts, PhoneTree tree)
      : parts_(parts), tree_(std::move(tree)), tar_works_(tree_.domain == Domain::kPerson) {}

  // Reads every one of `files`, and lets go of each once it is done. What the
  // phone refuses is a gap; an error is the session's end.
  absl::Status Fetch(const OpContext& ctx, std::vector<WantedFile> files);

  std::uint64_t files_read() const { return files_read_; }

 private:
  class Batch;
  struct Alone;

  absl::Status FetchBatch(const OpContext& ctx, const std::vector<const WantedFile*>& files);
  absl::Status RunTar(const OpContext& ctx, Batch& batch);
  absl::Status FetchAlone(const OpContext& ctx, const WantedFile& file);
  // Each is OK if the file was read or given up as a gap; a lost phone else.
  absl::Status ReadOnce(const OpContext& ctx, const WantedFile& file, Alone& alone);
  absl::Status Receive(const OpContext& ctx, const WantedFile& file, Alone& alone);
  absl::Status ReceiveRest(const OpContext& ctx, const WantedFile& file, Alone& alone);
  absl::Status Take(const OpContext& ctx, const WantedFile& file, Alone& alone, ByteView bytes);
  absl::Status CloseAlone(const OpContext& ctx, const WantedFile& file, Alone& alone);

  // Whether it goes beyond one file.
  bool EndsFetch(const absl::Status& status);
  absl::Status Count(std::uint64_t bytes);
  void Finished(const OpContext& ctx, const WantedFile& file, const FileMark& mark);
  std::string SnapshotPath(const WantedFile& file) const {
    return tree_.snapshot_root + "/" + file.path;
  }
  std::string PhonePath(const WantedFile& file) const { return tree_.phone_root + "/" + file.path; }

  const Parts parts_;
  const PhoneTree tree_;
  bool tar_works_;
  int stalls_ = 0;
  std::uint64_t files_read_ = 0;
};

}  // namespace mooring::agent
