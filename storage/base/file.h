// FileSystem: the only door to files, so that tests can make a disk fail at
// any call, and so that the order of writes, fsyncs and renames is visible in
// one place.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/base/secret_bytes.h"

namespace mooring {

struct FileInfo {
  std::string name;  // Last component of the path.
  std::uint64_t size_bytes = 0;
  bool is_directory = false;
  std::int64_t modified_unix_ns = 0;
  unsigned mode = 0;  // Permission bits.
};

struct SpaceInfo {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  // Usable by this process.
};

// A file being written. Thread-bound. Dropped without Sync, its bytes may or
// may not exist; before it nobody else need see them.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // kResourceExhausted: no space. May keep up to 1 MiB back for the next call.
  virtual absl::Status Append(ByteView bytes) = 0;
  // fsync. After a failure the file is lost: never call again, write another
  // (the kernel may have dropped the pages and report success next time).
  virtual absl::Status Sync() = 0;
  // Writes what was kept back.
  virtual absl::Status Close() = 0;
};

// Thread-safe.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  // Fills `out` from `offset` on; returns less than out.size() only at the end.
  virtual absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<std::byte> out) = 0;
};

// Thread-safe. Errors: kNotFound, kAlreadyExists, kPermissionDenied,
// kResourceExhausted (no space, quota, inodes), kUnavailable (I/O error).
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // A new file with `mode`; kAlreadyExists if there is one.
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> Create(const std::string& path,
                                                               unsigned mode = 0600) = 0;
  virtual absl::StatusOr<std::unique_ptr<RandomAccessFile>> Open(const std::string& path) = 0;
  // The whole file; kOutOfRange if it is longer than `bytes_max`.
  virtual absl::StatusOr<Bytes> Read(const std::string& path, std::uint64_t bytes_max) = 0;
  // Renames and fails with kAlreadyExists rather than replace `to`.
  virtual absl::Status RenameNoReplace(const std::string& from, const std::string& to) = 0;
  // Renames, replacing `to` in one step.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // fsync of the directory itself: makes creations and renames in it durable.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
  // mkdir -p, each new parent synced.
  virtual absl::Status CreateDirectories(const std::string& path, unsigned mode = 0700) = 0;
  // OK if it is already gone.
  virtual absl::Status Remove(const std::string& path) = 0;
  virtual absl::StatusOr<FileInfo> Stat(const std::string& path) = 0;
  // Entries without . and .., sorted by name.
  virtual absl::StatusOr<std::vector<FileInfo>> List(const std::string& path) = 0;
  virtual absl::StatusOr<SpaceInfo> Space(const std::string& path) = 0;
};

// The files of this machine.
FileSystem& RealFileSystem();

// Replaces `path` durably and in one step: temporary file beside it, fsync,
// rename, fsync of the directory.
absl::Status WriteFileDurably(FileSystem& files, const std::string& path, ByteView bytes,
                              unsigned mode = 0600);

// A secret from `path`. kPermissionDenied if anyone but its owner can read the file.
absl::StatusOr<SecretBytes> ReadSecretFile(FileSystem& files, const std::string& path,
                                           std::uint64_t bytes_max = 64 << 10);

}  // namespace mooring
