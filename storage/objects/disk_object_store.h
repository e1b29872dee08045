// DiskObjectStore: objects as files under one directory.
//
//   <directory>/<key>              one file an object, 0600 in directories 0700
//   <directory>/staging/<random>   objects being written
//   <directory>/locks/<key>        until when an object may not be removed
//
// An object is written to staging/, fsynced, renamed into place without ever
// replacing other bytes, and both directories are fsynced (new parents first):
// without the last step a power cut loses the rename on ext4 and XFS.
//
// A failed fsync is never retried, because the kernel may have dropped the pages
// and report success next time. After one of a file, that file is thrown away.
// After one of a directory, the store takes no more writes until it is opened
// anew (reads go on): kUnavailable tells the operator to look at the disk.
//
// Locks are kept and honored, but a file system cannot enforce them against
// whoever owns the files: this is no WORM store, and no deployment may call it one.

#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_set.h>

#include "storage/base/file.h"
#include "storage/base/mutex.h"
#include "storage/base/random.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

// A staged file that nothing was written to for this long has lost its writer.
inline constexpr absl::Duration kStagingStaleAfter = absl::Hours(1);

// Thread-safe. Several processes may share one directory.
class DiskObjectStore final : public ObjectStore {
 public:
  // Makes the directory where it is missing and sweeps stale staged files.
  // `directory` must be one file system throughout.
  static absl::StatusOr<std::unique_ptr<DiskObjectStore>> Open(FileSystem& files, Clock& clock,
                                                               Random& random,
                                                               std::string directory);

  absl::Status Put(const OpContext& ctx, std::string_view key, ByteView body,
                   absl::Time locked_until) override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> NewObject(const OpContext& ctx,
                                                          std::string_view key) override;
  absl::StatusOr<std::size_t> ReadAt(const OpContext& ctx, std::string_view key,
                                     std::uint64_t offset_bytes, std::span<std::byte> out) override;
  absl::StatusOr<ObjectInfo> Stat(const OpContext& ctx, std::string_view key) override;
  absl::Status List(const OpContext& ctx, std::string_view prefix,
                    absl::FunctionRef<absl::Status(const ObjectInfo&)> visit) override;
  absl::Status Remove(const OpContext& ctx, std::string_view key) override;
  absl::Status ExtendLock(const OpContext& ctx, std::string_view key,
                          absl::Time locked_until) override;
  absl::StatusOr<SpaceInfo> Space(const OpContext& ctx) override;

  // Removes staged files without a writer. Called at open and hourly by writers.
  absl::Status SweepStaging();

 private:
  class Writer;

  DiskObjectStore(FileSystem& files, Clock& clock, Random& random, std::string directory);

  absl::Status CheckWritable(const OpContext& ctx) const;
  absl::Status Publish(const std::string& staged, std::string_view key, absl::Time locked_until);
  absl::Status PlaceStaged(const std::string& staged, const std::string& path,
                           std::string_view key);
  absl::Status MakeDurableDirectory(const std::string& directory);
  absl::Status SyncDirectory(const std::string& directory);
  absl::Status KeepLock(std::string_view key, absl::Time locked_until);
  absl::StatusOr<absl::Time> LockOf(std::string_view key);
  absl::StatusOr<ObjectInfo> InfoOf(std::string key, const FileInfo& file);
  absl::Status ListDirectory(const OpContext& ctx, const std::string& under,
                             std::string_view prefix,
                             absl::FunctionRef<absl::Status(const ObjectInfo&)> visit);
  std::string PathOf(std::string_view key) const;
  std::string NewStagingPath();

  FileSystem& files_;
  Clock& clock_;
  Random& random_;
  const std::string directory_;
  const std::string staging_;

  std::atomic<bool> directory_sync_failed_{false};

  Mutex lock_mutex_;  // Held while the lock file of an object is read and replaced.

  Mutex mutex_;
  absl::Time next_sweep_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  // Directories whose entry in their parent this process has made durable.
  absl::flat_hash_set<std::string> durable_directories_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::storage
