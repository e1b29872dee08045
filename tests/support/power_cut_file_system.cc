#include "tests/support/power_cut_file_system.h"

#include <algorithm>
#include <utility>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

class PowerCutFileSystem::File final : public WritableFile {
 public:
  File(PowerCutFileSystem& files, std::string path, std::unique_ptr<WritableFile> inner)
      : files_(files), path_(std::move(path)), inner_(std::move(inner)) {}

  absl::Status Append(ByteView bytes) override {
    files_.unsynced_files_.insert(path_);
    return inner_->Append(bytes);
  }
  absl::Status Sync() override {
    MOORING_RETURN_IF_ERROR(inner_->Sync());
    files_.unsynced_files_.erase(path_);
    return absl::OkStatus();
  }
  absl::Status Close() override { return inner_->Close(); }

 private:
  PowerCutFileSystem& files_;
  const std::string path_;
  std::unique_ptr<WritableFile> inner_;
};

absl::Status PowerCutFileSystem::Cut() {
  for (const std::string& path : unsynced_files_) {
    MOORING_RETURN_IF_ERROR(inner_.Remove(path));
    MOORING_RETURN_IF_ERROR(inner_.Create(path).status());
  }
  unsynced_files_.clear();
  std::reverse(new_names_.begin(), new_names_.end());
  for (const NewName& name : new_names_) {
    if (!name.from.empty()) {
      MOORING_RETURN_IF_ERROR(inner_.Rename(name.path, name.from));
    } else {
      MOORING_RETURN_IF_ERROR(name.is_directory ? RemoveTree(name.path) : inner_.Remove(name.path));
    }
  }
  new_names_.clear();
  return absl::OkStatus();
}

absl::Status PowerCutFileSystem::RemoveTree(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, inner_.List(path));
  for (const FileInfo& entry : entries) {
    const std::string child = path + "/" + entry.name;
    MOORING_RETURN_IF_ERROR(entry.is_directory ? RemoveTree(child) : inner_.Remove(child));
  }
  return inner_.Remove(path);
}

absl::StatusOr<std::unique_ptr<WritableFile>> PowerCutFileSystem::Create(const std::string& path,
                                                                         unsigned mode) {
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, inner_.Create(path, mode));
  new_names_.push_back({.directory = ParentOf(path), .path = path, .from = ""});
  return std::make_unique<File>(*this, path, std::move(file));
}

void PowerCutFileSystem::Moved(const std::string& from, const std::string& to) {
  if (unsynced_files_.erase(from) > 0) unsynced_files_.insert(to);
  new_names_.push_back({.directory = ParentOf(to), .path = to, .from = from});
}

absl::Status PowerCutFileSystem::RenameNoReplace(const std::string& from, const std::string& to) {
  MOORING_RETURN_IF_ERROR(inner_.RenameNoReplace(from, to));
  Moved(from, to);
  return absl::OkStatus();
}

absl::Status PowerCutFileSystem::Rename(const std::string& from, const std::string& to) {
  const bool replaces = inner_.Stat(to).ok();
  MOORING_RETURN_IF_ERROR(inner_.Rename(from, to));
  // What it replaced cannot be brought back; tests replace equal bytes alone.
  if (replaces) {
    unsynced_files_.erase(from);
  } else {
    Moved(from, to);
  }
  return absl::OkStatus();
}

absl::Status PowerCutFileSystem::SyncDirectory(const std::string& path) {
  MOORING_RETURN_IF_ERROR(inner_.SyncDirectory(path));
  const auto in_it = [&path](const NewName& name) { return name.directory == path; };
  new_names_.erase(std::remove_if(new_names_.begin(), new_names_.end(), in_it), new_names_.end());
  return absl::OkStatus();
}

absl::Status PowerCutFileSystem::CreateDirectories(const std::string& path, unsigned mode) {
  if (inner_.Stat(path).ok()) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(CreateDirectories(ParentOf(path), mode));
  MOORING_RETURN_IF_ERROR(inner_.CreateDirectories(path, mode));
  new_names_.push_back(
      {.directory = ParentOf(path), .path = path, .from = "", .is_directory = true});
  return absl::OkStatus();
}

absl::Status PowerCutFileSystem::Remove(const std::string& path) {
  MOORING_RETURN_IF_ERROR(inner_.Remove(path));
  unsynced_files_.erase(path);
  const auto is_it = [&path](const NewName& name) { return name.path == path; };
  new_names_.erase(std::remove_if(new_names_.begin(), new_names_.end(), is_it), new_names_.end());
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RandomAccessFile>> PowerCutFileSystem::Open(
    const std::string& path) {
  return inner_.Open(path);
}
absl::StatusOr<Bytes> PowerCutFileSystem::Read(const std::string& path, std::uint64_t bytes_max) {
  return inner_.Read(path, bytes_max);
}
absl::StatusOr<FileInfo> PowerCutFileSystem::Stat(const std::string& path) {
  return inner_.Stat(path);
}
absl::StatusOr<std::vector<FileInfo>> PowerCutFileSystem::List(const std::string& path) {
  return inner_.List(path);
}
absl::StatusOr<SpaceInfo> PowerCutFileSystem::Space(const std::string& path) {
  return inner_.Space(path);
}

}  // namespace mooring::testing
