// PowerCutFileSystem: the real files, and what a power cut leaves of them.
//
// Until it is synced, a file's content may be lost (it comes back empty), and
// until the directory is synced, so may a new name, a rename, a new directory.
// That is what ext4 and XFS do at their worst; Cut does it to everything at once.

#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "storage/base/file.h"

namespace mooring::testing {

// Thread-bound.
class PowerCutFileSystem final : public FileSystem {
 public:
  explicit PowerCutFileSystem(FileSystem& inner) : inner_(inner) {}

  // Takes back everything that was not made durable. Files must be closed.
  absl::Status Cut();

  absl::StatusOr<std::unique_ptr<WritableFile>> Create(const std::string& path,
                                                       unsigned mode) override;
  absl::StatusOr<std::unique_ptr<RandomAccessFile>> Open(const std::string& path) override;
  absl::StatusOr<Bytes> Read(const std::string& path, std::uint64_t bytes_max) override;
  absl::Status RenameNoReplace(const std::string& from, const std::string& to) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status SyncDirectory(const std::string& path) override;
  // Syncs no parent, although the real one does: the caller must not rely on it,
  // since whoever made the directory may have died before that.
  absl::Status CreateDirectories(const std::string& path, unsigned mode) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<FileInfo> Stat(const std::string& path) override;
  absl::StatusOr<std::vector<FileInfo>> List(const std::string& path) override;
  absl::StatusOr<SpaceInfo> Space(const std::string& path) override;

 private:
  class File;
  // A name that appeared in `directory`. `from` is where it was before, if anywhere.
  struct NewName {
    std::string directory;
    std::string path;
    std::string from;
    bool is_directory = false;
  };

  absl::Status RemoveTree(const std::string& path);
  void Moved(const std::string& from, const std::string& to);

  FileSystem& inner_;
  std::vector<NewName> new_names_;
  std::set<std::string> unsynced_files_;
};

}  // namespace mooring::testing
