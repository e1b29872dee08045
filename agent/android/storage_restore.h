// StorageRestore: the files of a snapshot back into a phone's shared storage,
// with their times, each checked on the phone by its SHA-256.
//
// A file that is there already, of the same size and time, is only checked. One
// that is newer and different is left alone and counted: it is never overwritten.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/android/phone_line.h"
#include "agent/device/device.h"
#include "agent/restore/snapshot_reader.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/seal/digest.h"

namespace mooring::agent {

// What all parts of a restore share. Everything it refers to outlives them.
struct RestoreParts {
  Clock& clock;
  PhoneLine& line;
  SnapshotReader& snapshot;
  ProgressSink& progress;
  RestoreOutcome& outcome;

  void Remark(std::string remark) { outcome.remarks.push_back(std::move(remark)); }
};

// Bytes of all files that a snapshot has of a phone's storage.
std::uint64_t StorageBytes(SnapshotReader& snapshot);
// Of them, those that the phone does not have yet; all of them if it cannot be told.
absl::StatusOr<std::uint64_t> MissingBytes(const OpContext& ctx, AdbDevice& device,
                                           SnapshotReader& snapshot);
// Bytes that are free on the phone's shared storage; kUnknown if it does not say.
absl::StatusOr<std::uint64_t> FreeBytes(const OpContext& ctx, AdbDevice& device);
// The same from what `df -k` printed.
absl::StatusOr<std::uint64_t> ParseFreeBytes(std::string_view output);

// Thread-bound.
class StorageRestore {
 public:
  explicit StorageRestore(const RestoreParts& parts) : parts_(parts) {}

  absl::Status Run(const OpContext& ctx);

 private:
  struct There {
    std::uint64_t size_bytes = 0;
    std::int64_t modified_unix_s = 0;
  };
  struct Tree {
    std::string phone_root;
    std::string snapshot_root;
    absl::flat_hash_map<std::string, There> there;
    std::vector<std::string> files;  // Below the root.
    std::vector<std::string> directories;
  };
  struct Sent {
    std::string path;
    storage::Sha256Digest sha256{};
  };

  absl::StatusOr<std::string> PhoneRoot(const OpContext& ctx, const std::string& name);
  absl::Status ListThere(const OpContext& ctx, Tree& tree);
  absl::Status ListSnapshot(Tree& tree);
  absl::Status RestoreTree(const OpContext& ctx, Tree& tree);
  absl::Status MakeDirectories(const OpContext& ctx, const Tree& tree);
  // Sends one file if need be; what was sent or is there goes to `sent`.
  absl::Status RestoreFile(const OpContext& ctx, const Tree& tree, const std::string& path,
                           std::vector<Sent>& sent);
  absl::StatusOr<storage::Sha256Digest> HashOfSnapshot(const OpContext& ctx,
                                                       const std::string& path);
  absl::StatusOr<storage::Sha256Digest> Send(const OpContext& ctx, const Tree& tree,
                                             const std::string& path);
  // Holds `sent` against what the phone has and sends again what differs, once.
  absl::Status Verify(const OpContext& ctx, const Tree& tree, std::vector<Sent>& sent);
  absl::StatusOr<std::vector<Sent>> Wrong(const OpContext& ctx, const Tree& tree,
                                          const std::vector<Sent>& sent);
  absl::Status Rescan(const OpContext& ctx);
  void SayCounts();
  void Moved(std::uint64_t files, std::uint64_t bytes);

  RestoreParts parts_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t done_bytes_ = 0;
  std::uint64_t already_there_ = 0;
  std::uint64_t newer_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t wrong_ = 0;
  bool can_hash_ = true;
};

}  // namespace mooring::agent
