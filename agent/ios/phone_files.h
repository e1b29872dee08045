// PhoneFiles: the files that a phone works on during a MobileBackup2
// conversation. In a backup they are the snapshot in the making, in a restore
// the snapshot being restored. Paths are of the snapshot (mb2_path.h).

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/pipeline/snapshot_builder.h"
#include "agent/restore/snapshot_reader.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Thread-bound. kNotFound and kPermissionDenied are told to the phone and the
// conversation goes on; any other error ends it.
class PhoneFiles {
 public:
  virtual ~PhoneFiles() = default;

  // Streams one file. kNotFound only before the first piece.
  virtual absl::Status Read(const OpContext& ctx, const std::string& path,
                            absl::FunctionRef<absl::Status(ByteView)> sink) = 0;
  // The paths of one request, before the first is read. A hint.
  virtual void WillRead(const std::vector<std::string>& paths) = 0;
  virtual absl::StatusOr<std::unique_ptr<FileWriter>> Create(const OpContext& ctx,
                                                             const std::string& path) = 0;
  virtual absl::Status MakeDirectory(const std::string& path) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  virtual absl::Status Move(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Copy(const std::string& from, const std::string& to) = 0;
  virtual std::vector<storage::ListedEntry> List(const std::string& path) = 0;
  // The answer to the phone's question for free space.
  virtual std::uint64_t free_bytes() const = 0;
};

// Over a snapshot in the making. `builder` must outlive it.
class BackupFiles final : public PhoneFiles {
 public:
  BackupFiles(SnapshotBuilder& builder, Clock& clock, std::uint64_t quota_bytes)
      : builder_(builder), clock_(clock), quota_bytes_(quota_bytes) {}

  absl::Status Read(const OpContext& ctx, const std::string& path,
                    absl::FunctionRef<absl::Status(ByteView)> sink) override;
  void WillRead(const std::vector<std::string>&) override {}
  absl::StatusOr<std::unique_ptr<FileWriter>> Create(const OpContext& ctx,
                                                     const std::string& path) override;
  absl::Status MakeDirectory(const std::string& path) override;
  absl::Status Remove(const std::string& path) override { return builder_.Remove(path); }
  absl::Status Move(const std::string& from, const std::string& to) override {
    return builder_.Rename(from, to);
  }
  absl::Status Copy(const std::string& from, const std::string& to) override {
    return builder_.Copy(from, to);
  }
  std::vector<storage::ListedEntry> List(const std::string& path) override {
    return builder_.List(path);
  }
  std::uint64_t free_bytes() const override { return quota_bytes_; }

 private:
  SnapshotBuilder& builder_;
  Clock& clock_;
  const std::uint64_t quota_bytes_;
};

// Over a committed snapshot: whatever would change it is kPermissionDenied.
class RestoreFiles final : public PhoneFiles {
 public:
  explicit RestoreFiles(SnapshotReader& snapshot) : snapshot_(snapshot) {}

  absl::Status Read(const OpContext& ctx, const std::string& path,
                    absl::FunctionRef<absl::Status(ByteView)> sink) override;
  void WillRead(const std::vector<std::string>& paths) override { snapshot_.Prefetch(paths); }
  absl::StatusOr<std::unique_ptr<FileWriter>> Create(const OpContext& ctx,
                                                     const std::string& path) override;
  absl::Status MakeDirectory(const std::string& path) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status Move(const std::string& from, const std::string& to) override;
  absl::Status Copy(const std::string& from, const std::string& to) override;
  std::vector<storage::ListedEntry> List(const std::string& path) override {
    return snapshot_.List(path);
  }
  // Nothing is stored in a restore; phones do not ask.
  std::uint64_t free_bytes() const override { return 0; }

 private:
  SnapshotReader& snapshot_;
};

}  // namespace mooring::agent
