// ExportFolder: writes files below one directory and nowhere else, whatever
// paths a manifest holds. The kernel holds the line (openat2 with
// RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS): a link that somebody put into the
// folder is not followed either.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/bytes.h"

namespace mooring::admin {

// Present in a folder until its export is whole.
inline constexpr std::string_view kIncompleteMarker = ".mooring-export-incomplete";

// A file descriptor and its end.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  ~OwnedFd();

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// A file being written; gone again unless it is finished. Thread-bound.
class ExportFile {
 public:
  ExportFile(OwnedFd directory, OwnedFd file, std::string name)
      : directory_(std::move(directory)), file_(std::move(file)), name_(std::move(name)) {}
  ExportFile(ExportFile&&) noexcept = default;
  ExportFile& operator=(ExportFile&&) = delete;
  ~ExportFile();

  absl::Status Append(ByteView bytes);
  // Sets the time of modification (0: leaves it) and closes.
  absl::Status Finish(std::int64_t modified_unix_ns);

 private:
  OwnedFd directory_;
  OwnedFd file_;
  std::string name_;
};

// Thread-bound. Paths are as in CheckSnapshotPath, else kInvalidArgument. Files
// are made with mode 0600, directories with 0700.
class ExportFolder {
 public:
  // kAlreadyExists: `path` holds something and may not be replaced. Changes nothing.
  static absl::Status CheckTarget(const std::string& path, bool replace);

  // Makes the directory if need be and marks it as incomplete. kAlreadyExists:
  // it holds something and may not be `replace`d.
  static absl::StatusOr<ExportFolder> Open(const std::string& path, bool replace);

  // A new file, and the directories above it. A file of that name is replaced
  // where that was allowed.
  absl::StatusOr<ExportFile> Create(std::string_view path);
  absl::Status MakeDirectory(std::string_view path);
  // Makes everything durable and takes the mark away.
  absl::Status Complete();

 private:
  ExportFolder(OwnedFd root, bool replace) : root_(std::move(root)), replace_(replace) {}

  absl::StatusOr<int> OpenDirectory(std::string_view path);

  OwnedFd root_;
  bool replace_;
  // The directory of the last call: files come in runs.
  std::string last_path_;
  OwnedFd last_;
};

}  // namespace mooring::admin
