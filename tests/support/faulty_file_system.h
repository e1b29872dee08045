// FaultyFileSystem: the real files with a fault at a chosen call.
//
// Calls are counted from 1: every method of the file system, and Append, Sync
// and Close of the files that it creates.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/base/file.h"

namespace mooring::testing {

// Thread-bound.
class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& inner) : inner_(inner) {}

  // The `n`-th call from now on fails with `code` and has no effect.
  void FailCall(std::uint64_t n, absl::StatusCode code);
  // So does every call after it: the process has died there, as far as files can tell.
  void FailFrom(std::uint64_t n);
  // After this many more bytes every Append fails: the disk is full.
  void LimitSpace(std::optional<std::uint64_t> bytes) { space_bytes_ = bytes; }
  void Heal();

  std::uint64_t calls() const { return calls_; }
  // fsyncs of files and directories that were asked for after one of the same path had failed.
  std::uint64_t repeated_syncs() const { return repeated_syncs_; }

  absl::StatusOr<std::unique_ptr<WritableFile>> Create(const std::string& path,
                                                       unsigned mode) override;
  absl::StatusOr<std::unique_ptr<RandomAccessFile>> Open(const std::string& path) override;
  absl::StatusOr<Bytes> Read(const std::string& path, std::uint64_t bytes_max) override;
  absl::Status RenameNoReplace(const std::string& from, const std::string& to) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::Status CreateDirectories(const std::string& path, unsigned mode) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<FileInfo> Stat(const std::string& path) override;
  absl::StatusOr<std::vector<FileInfo>> List(const std::string& path) override;
  absl::StatusOr<SpaceInfo> Space(const std::string& path) override;

 private:
  class File;

  absl::Status NextCall();
  absl::Status NextSync(const std::string& path);

  FileSystem& inner_;
  std::uint64_t calls_ = 0;
  std::uint64_t fail_at_ = 0;
  absl::StatusCode code_ = absl::StatusCode::kUnavailable;
  bool stays_failed_ = false;
  std::optional<std::uint64_t> space_bytes_;
  std::uint64_t repeated_syncs_ = 0;
  std::vector<std::string> failed_syncs_;
};

}  // namespace mooring::testing
