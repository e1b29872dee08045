#include "tests/support/faulty_file_system.h"

#include <algorithm>
#include <utility>

#include "storage/base/status.h"

namespace mooring::testing {

class FaultyFileSystem::File final : public WritableFile {
 public:
  File(FaultyFileSystem& files, std::string path, std::unique_ptr<WritableFile> inner)
      : files_(files), path_(std::move(path)), inner_(std::move(inner)) {}

  absl::Status Append(ByteView bytes) override {
    MOORING_RETURN_IF_ERROR(files_.NextCall());
    if (files_.space_bytes_ && bytes.size() > *files_.space_bytes_) {
      // A full disk takes what fits.
      const std::uint64_t fits = *files_.space_bytes_;
      MOORING_RETURN_IF_ERROR(inner_->Append(bytes.first(fits)));
      files_.space_bytes_ = 0;
      return absl::ResourceExhaustedError("injected: no space left on device");
    }
    if (files_.space_bytes_) *files_.space_bytes_ -= bytes.size();
    return inner_->Append(bytes);
  }

  absl::Status Sync() override {
    MOORING_RETURN_IF_ERROR(files_.NextSync(path_));
    return inner_->Sync();
  }

  absl::Status Close() override {
    MOORING_RETURN_IF_ERROR(files_.NextCall());
    return inner_->Close();
  }

 private:
  FaultyFileSystem& files_;
  const std::string path_;
  std::unique_ptr<WritableFile> inner_;
};

void FaultyFileSystem::FailCall(std::uint64_t n, absl::StatusCode code) {
  fail_at_ = calls_ + n;
  code_ = code;
  stays_failed_ = false;
}

void FaultyFileSystem::FailFrom(std::uint64_t n) {
  fail_at_ = calls_ + n;
  code_ = absl::StatusCode::kUnavailable;
  stays_failed_ = true;
}

void FaultyFileSystem::Heal() {
  fail_at_ = 0;
  stays_failed_ = false;
  space_bytes_.reset();
  failed_syncs_.clear();
}

absl::Status FaultyFileSystem::NextCall() {
  ++calls_;
  if (fail_at_ == 0) return absl::OkStatus();
  const bool fails = stays_failed_ ? calls_ >= fail_at_ : calls_ == fail_at_;
  return fails ? absl::Status(code_, "injected file fault") : absl::OkStatus();
}

absl::Status FaultyFileSystem::NextSync(const std::string& path) {
  if (std::find(failed_syncs_.begin(), failed_syncs_.end(), path) != failed_syncs_.end()) {
    ++repeated_syncs_;
  }
  absl::Status status = NextCall();
  if (!status.ok()) failed_syncs_.push_back(path);
  return status;
}

absl::StatusOr<std::unique_ptr<WritableFile>> FaultyFileSystem::Create(const std::string& path,
                                                                       unsigned mode) {
  MOORING_RETURN_IF_ERROR(NextCall());
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, inner_.Create(path, mode));
  return std::make_unique<File>(*this, path, std::move(file));
}

absl::StatusOr<std::unique_ptr<RandomAccessFile>> FaultyFileSystem::Open(const std::string& path) {
  MOORING_RETURN_IF_ERROR(NextCall());
  return inner_.Open(path);
}

absl::StatusOr<Bytes> FaultyFileSystem::Read(const std::string& path, std::uint64_t bytes_max) {
  MOORING_RETURN_IF_ERROR(NextCall());
  return inner_.Read(path, bytes_max);
}

absl::Status FaultyFileSystem::RenameNoReplace(const std::string& from, const std::string& to) {
  MOORING_RETURN_IF_ERROR(NextCall());
  return inner_.RenameNoReplace(from, to);
}

absl::Status FaultyFileSystem::Rename(const std::string& from, const std::string& to) {
  MOORING_RETURN_IF_ERROR(NextCall());
  return inner_.Rename(from, to);
}

absl::Status FaultyFileSystem::SyncDirectory(const std::string& path) {
  MOORING_RETURN_IF_ERROR(NextSync(path));
  return inner_.SyncDirectory(path);
}

absl::Status FaultyFileSystem::CreateDirectories(const std::string& path, unsigned mode) {
  MOORING_RETURN_IF_ERROR(NextCall());
  return inner_.CreateDirectories(path, mode);
}

absl::Status FaultyFileSystem::Remove(const std::string& path) {
  MOORING_RETURN_IF_ERROR(NextCall());
  return inner_.Remove(path);
}

absl::StatusOr<FileInfo> FaultyFileSystem::Stat(const std::string& path) {
  MOORING_RETURN_IF_ERROR(NextCall());
  return inner_.Stat(path);
}

absl::StatusOr<std::vector<FileInfo>> FaultyFileSystem::List(const std::string& path) {
  MOORING_RETURN_IF_ERROR(NextCall());
  return inner_.List(path);
}

absl::StatusOr<SpaceInfo> FaultyFileSystem::Space(const std::string& path) {
  MOORING_RETURN_IF_ERROR(NextCall());
  return inner_.Space(path);
}

}  // namespace mooring::testing
