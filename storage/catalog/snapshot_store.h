// Snapshots: completed, restorable states of devices.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/backup.pb.h"
#include "mooring/v1/common.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/catalog/row_lock.h"

namespace mooring::storage {

struct SnapshotRecord {
  SnapshotId id;
  DeviceId device;
  PersonId person;
  std::uint32_t lineage = 1;
  std::uint64_t sequence = 0;
  SessionId session;
  std::optional<SnapshotId> parent;
  absl::Time created_at;
  absl::Time captured_at;  // What an RPO counts from (repository/capture_times.h).
  std::uint64_t file_count = 0;
  std::uint64_t logical_bytes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t new_bytes = 0;
  std::uint64_t referenced_bytes = 0;
  std::uint64_t chunk_count = 0;
  Bytes root_hash;  // SHA-256 of the sealed root.
  std::vector<v1::Capture> captures;
  v1::DeviceFacts device_facts;
  std::optional<absl::Time> deletion_decided_at;  // Certain from then on (hold_store.h).
  std::optional<absl::Time> deleted_at;
  std::optional<absl::Time> verified_at;
  std::uint64_t damaged_chunks = 0;
};

// The long columns, read apart from the record.
struct SnapshotContent {
  Bytes root;                     // Sealed manifest root.
  Bytes refs;                     // Portable 64-bit roaring bitmap of chunk numbers.
  std::vector<ChunkId> base_ids;  // What a later session may read as its base.
};

struct SnapshotView {
  SnapshotRecord snapshot;
  std::string serial;
  std::string device_name;
  std::string person_handle;
};

struct SnapshotFilter {
  std::optional<DeviceId> device;
  std::optional<std::uint32_t> lineage;
  bool with_deleted = false;
};

// What one snapshot references, in the order of commits.
struct SnapshotRefs {
  std::uint64_t commit_no = 0;
  SnapshotId id;
  bool is_deleted = false;
  Bytes refs;  // Portable 64-bit roaring bitmap of chunk numbers.
};

struct SnapshotTotals {
  std::uint64_t count = 0;          // Not deleted.
  std::uint64_t logical_bytes = 0;  // Of those.
};

class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;

  // kAlreadyExists: the id, the session, or the device's sequence number has one.
  virtual absl::Status Create(const SnapshotRecord& record, const SnapshotContent& content) = 0;
  virtual absl::StatusOr<std::optional<SnapshotView>> Get(const SnapshotId& id,
                                                          RowLock lock = RowLock::kNone) = 0;
  virtual absl::StatusOr<std::optional<SnapshotContent>> GetContent(const SnapshotId& id) = 0;
  // Newest first.
  virtual absl::StatusOr<std::vector<SnapshotView>> List(const SnapshotFilter& filter) = 0;
  // The newest of this device and lineage that is not deleted.
  virtual absl::StatusOr<std::optional<SnapshotRecord>> FindNewest(const DeviceId& device,
                                                                   std::uint32_t lineage) = 0;
  virtual absl::StatusOr<SnapshotTotals> Totals() = 0;

  // Those of `ids` that have no row, deleted or not, in their order.
  virtual absl::StatusOr<std::vector<SnapshotId>> ListUnknown(std::span<const SnapshotId> ids) = 0;

  // Snapshots are numbered from 1 by Create, under the repository lock's shared
  // side, and never again: under the exclusive side, every snapshot up to
  // MaxCommitNo is visible and no other is being made. 0: there was none yet.
  virtual absl::StatusOr<std::uint64_t> MaxCommitNo() = 0;
  // At most `limit` with after < commit_no <= last, by that number.
  virtual absl::StatusOr<std::vector<SnapshotRefs>> ListRefs(std::uint64_t after,
                                                             std::uint64_t last, bool with_deleted,
                                                             int limit) = 0;

  // kFailedPrecondition: it is deleted already. kNotFound: no such snapshot.
  virtual absl::Status MarkDeleted(const SnapshotId& id, absl::Time at) = 0;
  virtual absl::Status MarkVerified(const SnapshotId& id, std::uint64_t damaged_chunks,
                                    absl::Time at) = 0;
};

}  // namespace mooring::storage
