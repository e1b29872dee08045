// RebuildWork: the steps of a rebuild, in the order in which they run. Inside
// storage/care only.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mooring/format/v1/catalog_export.pb.h"
#include "mooring/format/v1/commit_record.pb.h"
#include "storage/base/secret_bytes.h"
#include "storage/care/catalog_export.h"
#include "storage/care/rebuild.h"
#include "storage/catalog/catalog_dump.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/repository/chunk_set.h"
#include "storage/repository/store_records.h"

namespace mooring::storage {

// Thread-bound.
class RebuildWork {
 public:
  RebuildWork(const OpContext& ctx, const RebuildParts& parts,
              absl::FunctionRef<void(const RebuildProgress&)> progress)
      : ctx_(ctx), parts_(parts), progress_(progress) {}

  absl::StatusOr<RebuildSummary> Run();
  absl::StatusOr<RebuildSummary> Reconcile();

 private:
  // The organization's keys, and the store's name.
  absl::Status OpenStore();
  // The newest export that can be read to its end.
  absl::Status ChooseExport();
  absl::Status LoadExport();
  absl::Status LoadRecord(const format::v1::CatalogExportRecord& record);
  absl::Status EnsureOrganization();
  absl::Status EnterKeys();
  absl::Status EnterPersonKey(const PersonId& person, const std::string& key, absl::Time stored_at);
  absl::Status EnsurePerson(const PersonId& person);
  absl::Status ReadTombstones();
  absl::Status ReadJournals();
  absl::Status EnterPacks();
  absl::Status EnterPack(const PackId& pack, const ObjectInfo& info);
  // Of a reconciliation: packs that rows point into and the store does not hold.
  absl::Status LosePacks();

  // rebuild_snapshots.cc
  absl::Status EnterSnapshots();
  absl::Status EnterSnapshot(const SnapshotId& snapshot);
  // None: it cannot be one of ours; a remark says why.
  absl::StatusOr<std::optional<format::v1::CommitRecord>> ReadRecord(const SnapshotId& snapshot);
  struct Refs;
  absl::Status ResolveRefs(const format::v1::CommitRecord& record, bool is_committed, Refs& refs);
  absl::Status EnterNewer(const format::v1::CommitRecord& record, const SnapshotId& snapshot,
                          const Refs& refs);
  absl::Status EnsureDevice(const format::v1::CommitRecord& record, const DeviceId& device,
                            const PersonId& person);
  absl::Status EnsureAgent(const AgentId& agent, absl::Time at);
  absl::Status EnterSession(const format::v1::CommitRecord& record, const SnapshotRecord& snapshot,
                            const AgentId& agent);
  absl::Status EnterSnapshotKey(const SnapshotId& snapshot, const PersonId& person,
                                absl::Time created_at);
  absl::Status FinishExported();
  absl::Status ApplyTombstones();
  absl::Status Settle();
  absl::Status SettleCollection();
  absl::StatusOr<PackId> LostPack();

  void Remark(std::string text);
  void Report(const char* step, std::uint64_t done) { progress_({.step = step, .done = done}); }

  const OpContext& ctx_;
  const RebuildParts& parts_;
  absl::FunctionRef<void(const RebuildProgress&)> progress_;
  RebuildSummary summary_;

  RepositoryId repository_;
  SecretBytes organization_key_;
  SecretBytes pack_index_key_;
  std::optional<ExportInfo> export_;
  std::unique_ptr<CatalogLoad> load_;

  bool is_reconciliation_ = false;

  // While the export is loaded.
  bool is_snapshot_table_ = false;
  std::size_t columns_ = 0;
  std::int64_t last_chunk_no_ = 0;

  std::map<PersonId, SecretBytes> person_keys_;
  std::map<SnapshotId, Tombstone> tombstones_;
  std::set<PackId> journaled_;
  std::set<PackId> present_;
  std::map<DeviceId, std::uint64_t> sequences_;  // The greatest of any record.
  std::set<SnapshotId> entered_;
  std::optional<PackId> lost_pack_;
};

}  // namespace mooring::storage
