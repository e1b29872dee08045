// RecordSink: a record file on its way into the snapshot. A small one that says
// what it said last time stays where it is and costs nothing; a large one is
// streamed, and its unchanged chunks cost nothing either.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "agent/android/file_taker.h"
#include "agent/android/record_file.h"
#include "agent/android/storage_index.h"
#include "agent/pipeline/snapshot_builder.h"
#include "storage/base/bytes.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Thread-bound. `builder` and `index` outlive it. Dropped before Finish, the
// snapshot keeps what it had.
class RecordSink {
 public:
  RecordSink(const OpContext& ctx, SnapshotBuilder& builder, StorageIndex& index,
             std::string_view path)
      : ctx_(ctx), builder_(builder), index_(index), path_(path), taker_(builder, path_) {}

  absl::Status Write(ByteView bytes);
  absl::Status Finish();
  // What failed was the snapshot, not the phone.
  const absl::Status& fault() const { return fault_; }

 private:
  absl::Status Pass(ByteView bytes);

  const OpContext& ctx_;
  SnapshotBuilder& builder_;
  StorageIndex& index_;
  const std::string path_;
  Bytes head_;
  FileTaker taker_;
  absl::Status fault_;
};

}  // namespace mooring::agent
