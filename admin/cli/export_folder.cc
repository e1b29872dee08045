#include "admin/cli/export_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include <fmt/format.h>
#include <linux/openat2.h>

#include "proto/plain_text.h"
#include "storage/base/status.h"
#include "storage/manifest/manifest.h"

namespace mooring::admin {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

// Only the text of `error` is kept: a local "no such file" is not the server's
// "not found", and a full disk here is not a busy server.
absl::Status ErrnoStatus(int error, std::string_view what) {
  return absl::UnknownError(
      absl::ErrnoToStatus(error, fmt::format("export: {}", CleanText(what))).message());
}

// Below `directory`, over no link, or not at all.
OwnedFd OpenBeneath(int directory, const std::string& path, int flags, mode_t mode) {
  open_how how = {};
  how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  do {
    fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof(how));
    // EAGAIN: something was renamed on the way; the kernel asks to try again.
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return OwnedFd(static_cast<int>(fd));
}

OwnedFd Duplicate(int fd) {
  return OwnedFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

absl::StatusOr<bool> IsEmpty(const std::string& path) {
  std::error_code error;
  const std::filesystem::directory_iterator entries(path, error);
  if (error) return ErrnoStatus(error.value(), "cannot list " + path);
  return entries == std::filesystem::directory_iterator();
}

absl::Status MakeTarget(const std::string& path) {
  std::error_code error;
  const std::filesystem::path target(path);
  if (target.has_parent_path()) std::filesystem::create_directories(target.parent_path(), error);
  if (error) return ErrnoStatus(error.value(), "cannot make the folder above " + path);
  if (::mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, "cannot make " + path);
  }
  return absl::OkStatus();
}

}  // namespace

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    if (is_open()) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

OwnedFd::~OwnedFd() {
  if (is_open()) ::close(fd_);
}

ExportFile::~ExportFile() {
  if (file_.is_open()) ::unlinkat(directory_.get(), name_.c_str(), 0);
}

absl::Status ExportFile::Append(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write " + name_);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status ExportFile::Finish(std::int64_t modified_unix_ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  if (modified_unix_ns != 0) {
    // Nanoseconds count forward from the second, before 1970 too.
    const std::int64_t nanos = ((modified_unix_ns % kSecond) + kSecond) % kSecond;
    timespec times[2] = {};
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = (modified_unix_ns - nanos) / kSecond;
    times[1].tv_nsec = nanos;
    if (::futimens(file_.get(), times) != 0) return ErrnoStatus(errno, "set the time of " + name_);
  }
  file_ = OwnedFd();
  return absl::OkStatus();
}

absl::Status ExportFolder::CheckTarget(const std::string& path, bool replace) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const bool empty, IsEmpty(path));
  if (empty || replace) return absl::OkStatus();
  return absl::AlreadyExistsError(
      fmt::format("export: {} is not empty; name another folder, or give --force", path));
}

absl::StatusOr<ExportFolder> ExportFolder::Open(const std::string& path, bool replace) {
  MOORING_RETURN_IF_ERROR(CheckTarget(path, replace));
  MOORING_RETURN_IF_ERROR(MakeTarget(path));
  OwnedFd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.is_open()) return ErrnoStatus(errno, "cannot open " + path);
  const OwnedFd marker =
      OpenBeneath(root.get(), std::string(kIncompleteMarker), O_WRONLY | O_CREAT, kFileMode);
  if (!marker.is_open()) return ErrnoStatus(errno, "cannot write into " + path);
  return ExportFolder(std::move(root), replace);
}

absl::StatusOr<int> ExportFolder::OpenDirectory(std::string_view path) {
  if (path.empty()) return root_.get();
  if (last_.is_open() && last_path_ == path) return last_.get();
  OwnedFd current = Duplicate(root_.get());
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::string name(rest.substr(0, rest.find('/')));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    if (::mkdirat(current.get(), name.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, fmt::format("make the folder {}", path));
    }
    OwnedFd next = OpenBeneath(current.get(), name, O_RDONLY | O_DIRECTORY, 0);
    if (!next.is_open()) return ErrnoStatus(errno, fmt::format("open the folder {}", path));
    current = std::move(next);
  }
  last_ = std::move(current);
  last_path_ = std::string(path);
  return last_.get();
}

absl::StatusOr<ExportFile> ExportFolder::Create(std::string_view path) {
  MOORING_RETURN_IF_ERROR(storage::CheckSnapshotPath(path));
  const std::size_t slash = path.rfind('/');
  const std::string name(slash == std::string_view::npos ? path : path.substr(slash + 1));
  MOORING_ASSIGN_OR_RETURN(
      const int directory,
      OpenDirectory(slash == std::string_view::npos ? "" : path.substr(0, slash)));
  // Unlinked rather than truncated: the name may be a link to something else.
  if (replace_ && ::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, fmt::format("replace {}", path));
  }
  OwnedFd file = OpenBeneath(directory, name, O_WRONLY | O_CREAT | O_EXCL, kFileMode);
  if (!file.is_open()) return ErrnoStatus(errno, fmt::format("create {}", path));
  OwnedFd kept = Duplicate(directory);
  if (!kept.is_open()) return ErrnoStatus(errno, "too many open files");
  return ExportFile(std::move(kept), std::move(file), name);
}

absl::Status ExportFolder::MakeDirectory(std::string_view path) {
  MOORING_RETURN_IF_ERROR(storage::CheckSnapshotPath(path));
  return OpenDirectory(path).status();
}

absl::Status ExportFolder::Complete() {
  if (::syncfs(root_.get()) != 0) return ErrnoStatus(errno, "make the export durable");
  if (::unlinkat(root_.get(), std::string(kIncompleteMarker).c_str(), 0) != 0) {
    return ErrnoStatus(errno, "remove the mark of an incomplete export");
  }
  return absl::OkStatus();
}

}  // namespace mooring::admin
