#include "storage/objects/disk_object_store.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <absl/strings/numbers.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include "storage/base/ids.h"
#include "storage/base/status.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kCompareBytes = 64 << 10;
constexpr std::string_view kLocksDirectory = "locks";
constexpr std::uint64_t kLockFileBytesMax = 64;

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::StatusOr<bool> FilesAreEqual(FileSystem& files, const std::string& a, const std::string& b) {
  MOORING_ASSIGN_OR_RETURN(const FileInfo a_info, files.Stat(a));
  MOORING_ASSIGN_OR_RETURN(const FileInfo b_info, files.Stat(b));
  if (a_info.size_bytes != b_info.size_bytes) return false;
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> a_file, files.Open(a));
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> b_file, files.Open(b));
  Bytes a_bytes(kCompareBytes);
  Bytes b_bytes(kCompareBytes);
  for (std::uint64_t offset = 0; offset < a_info.size_bytes; offset += kCompareBytes) {
    MOORING_ASSIGN_OR_RETURN(const std::size_t a_read, a_file->ReadAt(offset, a_bytes));
    MOORING_ASSIGN_OR_RETURN(const std::size_t b_read, b_file->ReadAt(offset, b_bytes));
    if (a_read != b_read ||
        !std::equal(a_bytes.begin(), a_bytes.begin() + static_cast<std::ptrdiff_t>(a_read),
                    b_bytes.begin())) {
      return false;
    }
  }
  return true;
}

}  // namespace

// Writes one staged file. Removes it when it is dropped before Commit did.
class DiskObjectStore::Writer final : public ObjectWriter {
 public:
  Writer(DiskObjectStore& store, std::string key, std::string staged,
         std::unique_ptr<WritableFile> file)
      : store_(store), key_(std::move(key)), staged_(std::move(staged)), file_(std::move(file)) {}

  ~Writer() override {
    if (staged_.empty()) return;
    file_.reset();
    store_.files_.Remove(staged_).IgnoreError();  // The sweep takes what is left.
  }

  absl::Status Append(const OpContext& ctx, ByteView bytes) override {
    MOORING_RETURN_IF_ERROR(CheckSpent());
    MOORING_RETURN_IF_ERROR(CheckContext(ctx, store_.clock_));
    if (bytes.size() > kObjectBytesMax - size_bytes_) {
      return absl::InvalidArgumentError(
          fmt::format("object {}: longer than {} bytes", key_, kObjectBytesMax));
    }
    const absl::Status status = file_->Append(bytes);
    if (!status.ok()) {
      failed_ = true;
      return Annotate(status, fmt::format("object {}", key_));
    }
    size_bytes_ += bytes.size();
    return absl::OkStatus();
  }

  absl::Status Commit(const OpContext& ctx, absl::Time locked_until) override {
    MOORING_RETURN_IF_ERROR(CheckSpent());
    failed_ = true;  // Whatever happens: at most one attempt, and never a second fsync.
    MOORING_RETURN_IF_ERROR(store_.CheckWritable(ctx));
    absl::Status status = file_->Sync();
    if (status.ok()) status = file_->Close();
    if (status.ok()) status = store_.Publish(staged_, key_, locked_until);
    if (!status.ok()) return Annotate(status, fmt::format("object {}", key_));
    staged_.clear();
    return absl::OkStatus();
  }

 private:
  absl::Status CheckSpent() const {
    if (!failed_) return absl::OkStatus();
    return absl::FailedPreconditionError(fmt::format("object {}: its writer is spent", key_));
  }

  DiskObjectStore& store_;
  const std::string key_;
  std::string staged_;
  std::unique_ptr<WritableFile> file_;
  std::uint64_t size_bytes_ = 0;
  bool failed_ = false;
};

DiskObjectStore::DiskObjectStore(FileSystem& files, Clock& clock, Random& random,
                                 std::string directory)
    : files_(files),
      clock_(clock),
      random_(random),
      directory_(std::move(directory)),
      staging_(directory_ + "/staging") {}

absl::StatusOr<std::unique_ptr<DiskObjectStore>> DiskObjectStore::Open(FileSystem& files,
                                                                       Clock& clock, Random& random,
                                                                       std::string directory) {
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  if (directory.empty()) {
    return absl::InvalidArgumentError("object store: the directory's name is empty");
  }
  std::unique_ptr<DiskObjectStore> store(
      new DiskObjectStore(files, clock, random, std::move(directory)));
  const std::string where = fmt::format("object store {}", store->directory_);
  if (absl::Status status = files.CreateDirectories(store->directory_); !status.ok()) {
    return Annotate(status, where);
  }
  // Even where it was there: whoever made it may have died before the fsync. A
  // parent that we may not read was not made by us.
  const absl::Status parent = files.SyncDirectory(ParentOf(store->directory_));
  if (!parent.ok() && !absl::IsPermissionDenied(parent)) return Annotate(parent, where);
  if (absl::Status status = store->MakeDurableDirectory(store->staging_); !status.ok()) {
    return Annotate(status, where);
  }
  if (absl::Status status = store->SweepStaging(); !status.ok()) return Annotate(status, where);
  return store;
}

absl::Status DiskObjectStore::CheckWritable(const OpContext& ctx) const {
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  if (directory_sync_failed_.load()) {
    return absl::UnavailableError(fmt::format(
        "object store {}: an fsync of a directory failed; check the disk and restart the server",
        directory_));
  }
  return absl::OkStatus();
}

absl::Status DiskObjectStore::Put(const OpContext& ctx, std::string_view key, ByteView body,
                                  absl::Time locked_until) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> writer, NewObject(ctx, key));
  MOORING_RETURN_IF_ERROR(writer->Append(ctx, body));
  return writer->Commit(ctx, locked_until);
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> DiskObjectStore::NewObject(const OpContext& ctx,
                                                                         std::string_view key) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckWritable(ctx));
  bool sweep = false;
  {
    MutexLock lock(mutex_);
    sweep = clock_.Now() >= next_sweep_;
  }
  if (sweep) MOORING_RETURN_IF_ERROR(SweepStaging());
  std::string staged = NewStagingPath();
  absl::StatusOr<std::unique_ptr<WritableFile>> file = files_.Create(staged);
  if (!file.ok()) return Annotate(file.status(), fmt::format("object {}", key));
  return std::make_unique<Writer>(*this, std::string(key), std::move(staged), *std::move(file));
}

absl::Status DiskObjectStore::Publish(const std::string& staged, std::string_view key,
                                      absl::Time locked_until) {
  const std::string path = PathOf(key);
  const std::string parent = ParentOf(path);
  MOORING_RETURN_IF_ERROR(MakeDurableDirectory(parent));
  MOORING_RETURN_IF_ERROR(PlaceStaged(staged, path, key));
  // The rename is durable only once both directories are.
  MOORING_RETURN_IF_ERROR(SyncDirectory(parent));
  MOORING_RETURN_IF_ERROR(SyncDirectory(staging_));
  return KeepLock(key, locked_until);
}

absl::Status DiskObjectStore::PlaceStaged(const std::string& staged, const std::string& path,
                                          std::string_view key) {
  const absl::Status placed = files_.RenameNoReplace(staged, path);
  if (!absl::IsAlreadyExists(placed)) return placed;
  MOORING_ASSIGN_OR_RETURN(const bool equal, FilesAreEqual(files_, staged, path));
  if (!equal) {
    return absl::AlreadyExistsError(fmt::format("{} already holds other bytes", key));
  }
  // The equal file may be one whose fsync failed or was never reached; ours is known to be durable.
  return files_.Rename(staged, path);
}

absl::Status DiskObjectStore::MakeDurableDirectory(const std::string& directory) {
  if (directory == directory_) return absl::OkStatus();
  {
    MutexLock lock(mutex_);
    if (durable_directories_.contains(directory)) return absl::OkStatus();
  }
  MOORING_RETURN_IF_ERROR(MakeDurableDirectory(ParentOf(directory)));
  if (absl::Status status = files_.CreateDirectories(directory); !status.ok()) {
    // It syncs too, and does not say whether that was what failed.
    if (absl::IsUnavailable(status)) directory_sync_failed_.store(true);
    return status;
  }
  // Even where the directory was there: whoever made it may have died before the fsync.
  MOORING_RETURN_IF_ERROR(SyncDirectory(ParentOf(directory)));
  MutexLock lock(mutex_);
  durable_directories_.insert(directory);
  return absl::OkStatus();
}

absl::Status DiskObjectStore::SyncDirectory(const std::string& directory) {
  absl::Status status = files_.SyncDirectory(directory);
  if (!status.ok()) directory_sync_failed_.store(true);
  return status;
}

absl::StatusOr<std::size_t> DiskObjectStore::ReadAt(const OpContext& ctx, std::string_view key,
                                                    std::uint64_t offset_bytes,
                                                    std::span<std::byte> out) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  absl::StatusOr<std::unique_ptr<RandomAccessFile>> file = files_.Open(PathOf(key));
  if (!file.ok()) return Annotate(file.status(), fmt::format("object {}", key));
  absl::StatusOr<std::size_t> read = (*file)->ReadAt(offset_bytes, out);
  if (!read.ok()) return Annotate(read.status(), fmt::format("object {}", key));
  return read;
}

absl::StatusOr<ObjectInfo> DiskObjectStore::Stat(const OpContext& ctx, std::string_view key) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  absl::StatusOr<FileInfo> file = files_.Stat(PathOf(key));
  if (!file.ok()) return Annotate(file.status(), fmt::format("object {}", key));
  if (file->is_directory) return absl::NotFoundError(fmt::format("object {}: not there", key));
  return InfoOf(std::string(key), *file);
}

absl::StatusOr<ObjectInfo> DiskObjectStore::InfoOf(std::string key, const FileInfo& file) {
  MOORING_ASSIGN_OR_RETURN(const absl::Time locked_until, LockOf(key));
  return ObjectInfo{.key = std::move(key),
                    .size_bytes = file.size_bytes,
                    .stored_at = absl::FromUnixNanos(file.modified_unix_ns),
                    .locked_until = locked_until};
}

absl::Status DiskObjectStore::List(const OpContext& ctx, std::string_view prefix,
                                   absl::FunctionRef<absl::Status(const ObjectInfo&)> visit) {
  return ListDirectory(ctx, "", prefix, visit);
}

// Depth is bounded by kKeyBytesMax: longer names are no keys.
absl::Status DiskObjectStore::ListDirectory(
    const OpContext& ctx, const std::string& under, std::string_view prefix,
    absl::FunctionRef<absl::Status(const ObjectInfo&)> visit) {
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  absl::StatusOr<std::vector<FileInfo>> entries = files_.List(directory_ + "/" + under);
  if (absl::IsNotFound(entries.status())) return absl::OkStatus();  // Removed meanwhile.
  if (!entries.ok()) return Annotate(entries.status(), "list objects");
  // Byte order of keys: a directory stands where its name with a '/' does.
  for (FileInfo& entry : *entries) {
    if (entry.is_directory) entry.name += '/';
  }
  std::sort(entries->begin(), entries->end(),
            [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
  for (const FileInfo& entry : *entries) {
    const std::string key = under + entry.name;
    const std::size_t common = std::min(key.size(), prefix.size());
    if (std::string_view(key).substr(0, common) != prefix.substr(0, common)) continue;
    if (entry.is_directory) {
      // What cannot start a key (staging, lost+found) holds no objects.
      if (!CheckObjectKey(std::string_view(key).substr(0, key.size() - 1)).ok()) continue;
      MOORING_RETURN_IF_ERROR(ListDirectory(ctx, key, prefix, visit));
    } else if (key.size() >= prefix.size() && CheckObjectKey(key).ok()) {
      MOORING_ASSIGN_OR_RETURN(const ObjectInfo info, InfoOf(key, entry));
      MOORING_RETURN_IF_ERROR(visit(info));
    }
  }
  return absl::OkStatus();
}

absl::Status DiskObjectStore::Remove(const OpContext& ctx, std::string_view key) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckWritable(ctx));
  const std::string path = PathOf(key);
  const std::string lock_path = fmt::format("{}/{}/{}", directory_, kLocksDirectory, key);
  MutexLock lock(lock_mutex_);
  MOORING_ASSIGN_OR_RETURN(const absl::Time locked_until, LockOf(key));
  absl::StatusOr<FileInfo> file = files_.Stat(path);
  if (file.ok() && file->is_directory) return absl::OkStatus();
  if (!absl::IsNotFound(file.status())) {
    if (!file.ok()) return Annotate(file.status(), fmt::format("object {}", key));
    if (locked_until > clock_.Now()) {
      return absl::FailedPreconditionError(
          fmt::format("object {}: locked until {}", key,
                      absl::FormatTime(absl::RFC3339_sec, locked_until, absl::UTCTimeZone())));
    }
    MOORING_RETURN_IF_ERROR(files_.Remove(path));
    MOORING_RETURN_IF_ERROR(SyncDirectory(ParentOf(path)));
  }
  if (locked_until == absl::InfinitePast()) return absl::OkStatus();
  return files_.Remove(lock_path);
}

absl::Status DiskObjectStore::ExtendLock(const OpContext& ctx, std::string_view key,
                                         absl::Time locked_until) {
  MOORING_RETURN_IF_ERROR(CheckWritable(ctx));
  MOORING_RETURN_IF_ERROR(Stat(ctx, key).status());
  return KeepLock(key, locked_until);
}

absl::StatusOr<SpaceInfo> DiskObjectStore::Space(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  return files_.Space(directory_);
}

// A lock file holds nanoseconds since 1970 UTC in decimal, or "forever".
absl::StatusOr<absl::Time> DiskObjectStore::LockOf(std::string_view key) {
  const std::string path = fmt::format("{}/{}/{}", directory_, kLocksDirectory, key);
  absl::StatusOr<Bytes> bytes = files_.Read(path, kLockFileBytesMax);
  if (absl::IsNotFound(bytes.status())) return absl::InfinitePast();
  if (!bytes.ok()) return Annotate(bytes.status(), fmt::format("lock of object {}", key));
  const std::string_view text = AsText(*bytes);
  if (text == "forever") return absl::InfiniteFuture();
  std::int64_t unix_ns = 0;
  if (!absl::SimpleAtoi(ToAbsl(text), &unix_ns)) {
    // A lock that cannot be read still locks.
    return absl::DataLossError(fmt::format("lock of object {}: {} is damaged", key, path));
  }
  return absl::FromUnixNanos(unix_ns);
}

absl::Status DiskObjectStore::KeepLock(std::string_view key, absl::Time locked_until) {
  if (locked_until == absl::InfinitePast()) return absl::OkStatus();
  const std::string path = fmt::format("{}/{}/{}", directory_, kLocksDirectory, key);
  MOORING_RETURN_IF_ERROR(MakeDurableDirectory(ParentOf(path)));
  MutexLock lock(lock_mutex_);
  MOORING_ASSIGN_OR_RETURN(const absl::Time before, LockOf(key));
  if (before >= locked_until) return absl::OkStatus();
  const std::string text = locked_until == absl::InfiniteFuture()
                               ? "forever"
                               : fmt::format("{}", absl::ToUnixNanos(locked_until));
  const std::string staged = NewStagingPath();
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, files_.Create(staged));
  MOORING_RETURN_IF_ERROR(file->Append(AsBytes(text)));
  MOORING_RETURN_IF_ERROR(file->Sync());
  MOORING_RETURN_IF_ERROR(file->Close());
  MOORING_RETURN_IF_ERROR(files_.Rename(staged, path));
  return SyncDirectory(ParentOf(path));
}

absl::Status DiskObjectStore::SweepStaging() {
  const absl::Time now = clock_.Now();
  {
    MutexLock lock(mutex_);
    next_sweep_ = now + kStagingStaleAfter;
  }
  MOORING_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files_.List(staging_));
  for (const FileInfo& entry : entries) {
    if (entry.is_directory) continue;
    if (absl::FromUnixNanos(entry.modified_unix_ns) + kStagingStaleAfter > now) continue;
    MOORING_RETURN_IF_ERROR(files_.Remove(staging_ + "/" + entry.name));
  }
  return absl::OkStatus();
}

std::string DiskObjectStore::PathOf(std::string_view key) const {
  return fmt::format("{}/{}", directory_, key);
}

std::string DiskObjectStore::NewStagingPath() {
  return fmt::format("{}/{}", staging_, KeyId::Make(random_).hex());
}

}  // namespace mooring::storage
