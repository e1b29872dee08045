// SnapshotBuilder: the heart of the agent. An engine writes files into it; it
// cuts, frames, seals and uploads them, and keeps the tree of the new snapshot
// as an overlay over the previous one. Until Commit nothing is visible, and on
// any failure the overlay is dropped and the previous snapshot stands.
//
// Nothing is written to disk and memory is bounded: a few chunks in flight, one
// bundle, and the tree.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/base/op_context.h"
#include "storage/manifest/overlay.h"

namespace mooring::agent {

struct FileFacts {
  std::int64_t modified_unix_ns = 0;
  std::uint32_t mode = 0;
  // This session will Open the file again, or a later one will as its base. Its
  // chunks are its own and are sent even where the server has them: a session
  // may read only its base and what it sent itself.
  bool will_be_read = false;
};

// Which deduplication domain a file's chunks belong to.
enum class Domain { kPerson, kOrganization };

// One file being written. Dropped without Close, the file does not exist in the
// snapshot. One at a time per builder.
class FileWriter {
 public:
  virtual ~FileWriter() = default;
  // Takes any number of bytes; returns once they are in the bounded window.
  virtual absl::Status Write(ByteView bytes) = 0;
  virtual absl::Status Close() = 0;
};

// Thread-safe reads at any offset.
class FileReader {
 public:
  virtual ~FileReader() = default;
  virtual std::uint64_t size_bytes() const = 0;
  // Fills `out` from `offset`; returns less only at the end. Verified against chunk ids.
  virtual absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<std::byte> out) = 0;
};

// Thread-bound to the engine's thread. Paths as in storage::CheckSnapshotPath.
class SnapshotBuilder {
 public:
  virtual ~SnapshotBuilder() = default;

  // True where the overlay began as a previous snapshot's tree.
  virtual bool has_base() const = 0;
  // When the base's capture of this kind was completed; nullopt without one.
  virtual bool base_has_capture(int capture_kind) const = 0;

  // A new file, replacing what is there. `domain` is kPerson for all but app packages.
  virtual absl::StatusOr<std::unique_ptr<FileWriter>> Put(const OpContext& ctx,
                                                          std::string_view path,
                                                          const FileFacts& facts,
                                                          Domain domain = Domain::kPerson) = 0;
  virtual absl::Status MakeDirectory(std::string_view path, std::int64_t modified_unix_ns) = 0;
  virtual absl::Status PutSymlink(std::string_view path, std::string_view target,
                                  const FileFacts& facts) = 0;
  // Files or trees. Remove of nothing is OK; Rename and Copy of nothing are kNotFound.
  virtual absl::Status Remove(std::string_view path) = 0;
  virtual absl::Status Rename(std::string_view from, std::string_view to) = 0;
  virtual absl::Status Copy(std::string_view from, std::string_view to) = 0;

  virtual std::optional<storage::Entry> Find(std::string_view path) const = 0;
  virtual bool IsDirectory(std::string_view path) const = 0;
  virtual std::vector<storage::ListedEntry> List(std::string_view directory) const = 0;
  // Every entry at or below `prefix`, in path order.
  virtual absl::Status Visit(
      std::string_view prefix,
      absl::FunctionRef<absl::Status(std::string_view, const storage::Entry&)> visit) const = 0;

  // Reads a file of the base (only one that the base serves) or of this
  // session. kNotFound: no such file. Flushes first where the bytes are still on
  // their way.
  virtual absl::StatusOr<std::unique_ptr<FileReader>> Open(const OpContext& ctx,
                                                           std::string_view path) = 0;
};

}  // namespace mooring::agent
