// SnapshotReader: a committed snapshot, opened under a grant, read file by file.
// Every byte that it returns was verified against its chunk's id and key, and
// every file against its digest.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/pipeline/snapshot_builder.h"
#include "mooring/v1/common.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/op_context.h"
#include "storage/manifest/overlay.h"

namespace mooring::agent {

// Thread-bound.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;

  // The phone that the snapshot is of, as it was then.
  virtual const v1::DeviceFacts& device() const = 0;

  virtual std::optional<storage::Entry> Find(std::string_view path) const = 0;
  virtual bool IsDirectory(std::string_view path) const = 0;
  virtual std::vector<storage::ListedEntry> List(std::string_view directory) const = 0;
  virtual absl::Status Visit(
      std::string_view prefix,
      absl::FunctionRef<absl::Status(std::string_view, const storage::Entry&)> visit) const = 0;

  // Streams one file in order, in pieces of at most a chunk, ahead of the
  // consumer by a bounded number of chunks. kDataLoss: the bytes do not verify;
  // the pieces given so far must not be relied on.
  virtual absl::Status Read(const OpContext& ctx, std::string_view path,
                            absl::FunctionRef<absl::Status(ByteView)> sink) = 0;

  // Random access, for databases.
  virtual absl::StatusOr<std::unique_ptr<FileReader>> Open(const OpContext& ctx,
                                                           std::string_view path) = 0;

  // Files that will be read soon, in order, so that their chunks are fetched in
  // few requests. A hint.
  virtual void Prefetch(const std::vector<std::string>& paths) = 0;
};

}  // namespace mooring::agent
