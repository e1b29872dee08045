#include "storage/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <dirent.h>
#include <fmt/format.h>
#include <openssl/crypto.h>

#include "storage/base/status.h"

namespace mooring {
namespace {

absl::Status ErrnoStatus(int error, const char* what, const std::string& path) {
  const std::string message = fmt::format("{} {}", what, path);
  switch (error) {
    case EIO:
      return absl::UnavailableError(message + ": input/output error");
    case EDQUOT:
      return absl::ResourceExhaustedError(message + ": disk quota exceeded");
    case ENOSPC:
      return absl::ResourceExhaustedError(message + ": no space left on device");
    case EROFS:
      return absl::UnavailableError(message + ": read-only file system");
    default:
      return absl::ErrnoToStatus(error, message);
  }
}

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Long files bypass the page cache: filling it costs far more CPU than the
// hashing of the same bytes, and nobody reads a pack soon. Bytes are gathered
// into aligned blocks; what is left at the end goes the ordinary way.
class RealWritableFile final : public WritableFile {
 public:
  RealWritableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~RealWritableFile() override {
    if (block_ != nullptr) OPENSSL_cleanse(block_.get(), used_);  // Secrets come this way too.
  }

  absl::Status Append(ByteView bytes) override {
    if (block_ == nullptr) {
      block_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, kBlockBytes)));
      if (block_ == nullptr) return absl::ResourceExhaustedError("write: out of memory");
    }
    while (!bytes.empty()) {
      const std::size_t n = std::min(bytes.size(), kBlockBytes - filled_);
      std::copy_n(bytes.begin(), n, block_.get() + filled_);
      filled_ += n;
      used_ = std::max(used_, filled_);
      bytes = bytes.subspan(n);
      if (filled_ == kBlockBytes) MOORING_RETURN_IF_ERROR(WriteBlock());
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    MOORING_RETURN_IF_ERROR(WriteRest());
    if (fsync(fd_.get()) != 0) return ErrnoStatus(errno, "fsync", path_);
    return absl::OkStatus();
  }

  absl::Status Close() override {
    MOORING_RETURN_IF_ERROR(WriteRest());
    const int fd = fd_.Release();
    if (fd >= 0 && close(fd) != 0) return ErrnoStatus(errno, "close", path_);
    return absl::OkStatus();
  }

 private:
  // Enough for every disk in use; see O_DIRECT in open(2).
  static constexpr std::size_t kAlignment = 4096;
  static constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
  struct Free {
    void operator()(std::byte* block) const { std::free(block); }
  };

  absl::Status WriteBlock() {
    // Best effort: tmpfs, for one, has no direct writes.
    if (!is_direct_) is_direct_ = fcntl(fd_.get(), F_SETFL, O_DIRECT) == 0;
    return WriteFilled();
  }

  absl::Status WriteRest() {
    if (filled_ == 0) return absl::OkStatus();
    if (is_direct_ && fcntl(fd_.get(), F_SETFL, 0) != 0) return ErrnoStatus(errno, "write", path_);
    is_direct_ = false;
    return WriteFilled();
  }

  absl::Status WriteFilled() {
    std::size_t done = 0;
    while (done < filled_) {
      const ssize_t n = write(fd_.get(), block_.get() + done, filled_ - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EINVAL && is_direct_) {
        // Taken by F_SETFL and refused here, or a short write has left the grid.
        if (fcntl(fd_.get(), F_SETFL, 0) != 0) return ErrnoStatus(errno, "write", path_);
        is_direct_ = false;
        continue;
      }
      if (n < 0) return ErrnoStatus(errno, "write", path_);
      done += static_cast<std::size_t>(n);
    }
    filled_ = 0;
    return absl::OkStatus();
  }

  Descriptor fd_;
  std::string path_;
  std::unique_ptr<std::byte, Free> block_;
  std::size_t filled_ = 0;  // Bytes of the block that are not written.
  std::size_t used_ = 0;    // Bytes of the block that ever held any.
  bool is_direct_ = false;
};

class RealRandomAccessFile final : public RandomAccessFile {
 public:
  RealRandomAccessFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t n =
          pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus(errno, "read", path_);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

 private:
  Descriptor fd_;
  std::string path_;
};

FileInfo InfoOf(const struct stat& st, std::string name) {
  return {.name = std::move(name),
          .size_bytes = static_cast<std::uint64_t>(st.st_size),
          .is_directory = S_ISDIR(st.st_mode),
          .modified_unix_ns = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec,
          .mode = st.st_mode & 07777U};
}

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class RealFiles final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<WritableFile>> Create(const std::string& path,
                                                       unsigned mode) override {
    const int fd = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
    if (fd < 0) return ErrnoStatus(errno, "create", path);
    return std::make_unique<RealWritableFile>(fd, path);
  }

  absl::StatusOr<std::unique_ptr<RandomAccessFile>> Open(const std::string& path) override {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus(errno, "open", path);
    return std::make_unique<RealRandomAccessFile>(fd, path);
  }

  absl::StatusOr<Bytes> Read(const std::string& path, std::uint64_t bytes_max) override {
    const Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return ErrnoStatus(errno, "open", path);
    Bytes bytes;
    for (;;) {
      constexpr std::size_t kStep = 64 << 10;
      const std::size_t old = bytes.size();
      bytes.resize(old + kStep);
      const ssize_t n = read(fd.get(), bytes.data() + old, kStep);
      if (n < 0 && errno != EINTR) return ErrnoStatus(errno, "read", path);
      bytes.resize(old + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
      if (n == 0) return bytes;
      if (bytes.size() > bytes_max) {
        return absl::OutOfRangeError(fmt::format("{} is longer than {} bytes", path, bytes_max));
      }
    }
  }

  absl::Status RenameNoReplace(const std::string& from, const std::string& to) override {
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
      return ErrnoStatus(errno, "rename", to);
    }
    return absl::OkStatus();
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) != 0) return ErrnoStatus(errno, "rename", to);
    return absl::OkStatus();
  }

  absl::Status SyncDirectory(const std::string& path) override {
    const Descriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return ErrnoStatus(errno, "open", path);
    if (fsync(fd.get()) != 0) return ErrnoStatus(errno, "fsync", path);
    return absl::OkStatus();
  }

  absl::Status CreateDirectories(const std::string& path, unsigned mode) override {
    if (mkdir(path.c_str(), mode) == 0) return SyncDirectory(ParentOf(path));
    if (errno == EEXIST) {
      MOORING_ASSIGN_OR_RETURN(const FileInfo info, Stat(path));
      return info.is_directory ? absl::OkStatus() : ErrnoStatus(ENOTDIR, "mkdir", path);
    }
    if (errno != ENOENT) return ErrnoStatus(errno, "mkdir", path);
    MOORING_RETURN_IF_ERROR(CreateDirectories(ParentOf(path), mode));
    if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return ErrnoStatus(errno, "mkdir", path);
    return SyncDirectory(ParentOf(path));
  }

  absl::Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
    if (errno == EISDIR && rmdir(path.c_str()) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, "remove", path);
  }

  absl::StatusOr<FileInfo> Stat(const std::string& path) override {
    struct stat st {};
    if (stat(path.c_str(), &st) != 0) return ErrnoStatus(errno, "stat", path);
    return InfoOf(st, path.substr(path.rfind('/') + 1));
  }

  absl::StatusOr<std::vector<FileInfo>> List(const std::string& path) override {
    DIR* dir = opendir(path.c_str());
    if (dir == nullptr) return ErrnoStatus(errno, "list", path);
    const absl::Cleanup close_dir = [dir] { closedir(dir); };
    std::vector<FileInfo> entries;
    errno = 0;
    // Each DIR belongs to one caller, so readdir is safe here.
    while (const dirent* entry = readdir(dir)) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat st {};
      if (fstatat(dirfd(dir), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;  // Removed meanwhile.
        return ErrnoStatus(errno, "stat", path + "/" + name);
      }
      entries.push_back(InfoOf(st, name));
      errno = 0;
    }
    if (errno != 0) return ErrnoStatus(errno, "list", path);
    std::sort(entries.begin(), entries.end(),
              [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
    return entries;
  }

  absl::StatusOr<SpaceInfo> Space(const std::string& path) override {
    struct statvfs st {};
    if (statvfs(path.c_str(), &st) != 0) return ErrnoStatus(errno, "statvfs", path);
    return SpaceInfo{.total_bytes = st.f_blocks * st.f_frsize,
                     .free_bytes = st.f_bavail * st.f_frsize};
  }
};

}  // namespace

FileSystem& RealFileSystem() {
  static RealFiles files;
  return files;
}

absl::Status WriteFileDurably(FileSystem& files, const std::string& path, ByteView bytes,
                              unsigned mode) {
  const std::string temporary = fmt::format("{}.{}.new", path, getpid());
  MOORING_RETURN_IF_ERROR(files.Remove(temporary));
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, files.Create(temporary, mode));
  MOORING_RETURN_IF_ERROR(file->Append(bytes));
  MOORING_RETURN_IF_ERROR(file->Sync());
  MOORING_RETURN_IF_ERROR(file->Close());
  MOORING_RETURN_IF_ERROR(files.Rename(temporary, path));
  return files.SyncDirectory(ParentOf(path));
}

absl::StatusOr<SecretBytes> ReadSecretFile(FileSystem& files, const std::string& path,
                                           std::uint64_t bytes_max) {
  MOORING_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
  if ((info.mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::PermissionDeniedError(
        fmt::format("{} can be read by others; run: chmod 600 {}", path, path));
  }
  MOORING_ASSIGN_OR_RETURN(Bytes bytes, files.Read(path, bytes_max));
  SecretBytes secret = SecretBytes::CopyOf(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return secret;
}

}  // namespace mooring
