// Snapshots in memory. Not final: planted bugs override what they break.

#pragma once

#include <algorithm>
#include <tuple>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {

class MemorySnapshotStore : public storage::SnapshotStore {
 public:
  MemorySnapshotStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::Status Create(const storage::SnapshotRecord& record,
                      const storage::SnapshotContent& content) override {
    MOORING_STATEMENT(tx_);
    if (t_.device.Get(tx_, record.device) == nullptr ||
        t_.person.Get(tx_, record.person) == nullptr ||
        t_.session.Get(tx_, record.session) == nullptr) {
      return tx_.Fail(Violates("snapshot refers to a device, a person and a session"));
    }
    const std::pair<DeviceId, std::uint64_t> sequence{record.device, record.sequence};
    MOORING_ASSIGN_OR_RETURN(const bool id_taken, t_.snapshot.IsTaken(tx_, record.id));
    MOORING_ASSIGN_OR_RETURN(const bool session_taken,
                             t_.snapshot_session.IsTaken(tx_, record.session));
    MOORING_ASSIGN_OR_RETURN(const bool sequence_taken,
                             t_.snapshot_sequence.IsTaken(tx_, sequence));
    if (id_taken || session_taken || sequence_taken) {
      return absl::AlreadyExistsError("the snapshot exists");
    }
    MOORING_RETURN_IF_ERROR(t_.snapshot_session.Insert(tx_, record.session, record.id).status());
    MOORING_RETURN_IF_ERROR(t_.snapshot_sequence.Insert(tx_, sequence, record.id).status());
    const auto commit_no = static_cast<std::uint64_t>(t_.commit_no.Next());
    MOORING_RETURN_IF_ERROR(t_.snapshot_commit.Insert(tx_, commit_no, record.id).status());
    return t_.snapshot
        .Insert(tx_, record.id,
                {commit_no, record, std::make_shared<const storage::SnapshotContent>(content)})
        .status();
  }

  absl::StatusOr<std::optional<storage::SnapshotView>> Get(const SnapshotId& id,
                                                           storage::RowLock lock) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const SnapshotRow* const row, t_.snapshot.Lock(tx_, id, lock));
    if (row == nullptr) return std::optional<storage::SnapshotView>();
    return std::optional<storage::SnapshotView>(ViewOf(row->record));
  }

  absl::StatusOr<std::optional<storage::SnapshotContent>> GetContent(
      const SnapshotId& id) override {
    MOORING_STATEMENT(tx_);
    const SnapshotRow* const row = t_.snapshot.Get(tx_, id);
    return Copy(row == nullptr ? nullptr : row->content.get());
  }

  absl::StatusOr<std::vector<storage::SnapshotView>> List(
      const storage::SnapshotFilter& filter) override {
    MOORING_STATEMENT(tx_);
    std::vector<storage::SnapshotView> views;
    t_.snapshot.ForEach(tx_, [&](const SnapshotId&, const SnapshotRow& row) {
      const storage::SnapshotRecord& record = row.record;
      if ((!filter.device || record.device == *filter.device) &&
          (!filter.lineage || record.lineage == *filter.lineage) &&
          (filter.with_deleted || !record.deleted_at)) {
        views.push_back(ViewOf(record));
      }
      return true;
    });
    std::sort(views.begin(), views.end(),
              [](const storage::SnapshotView& x, const storage::SnapshotView& y) {
                const storage::SnapshotRecord& a = x.snapshot;
                const storage::SnapshotRecord& b = y.snapshot;
                return std::tie(b.created_at, b.sequence, a.id) <
                       std::tie(a.created_at, a.sequence, b.id);
              });
    return views;
  }

  absl::StatusOr<std::optional<storage::SnapshotRecord>> FindNewest(
      const DeviceId& device, std::uint32_t lineage) override {
    MOORING_STATEMENT(tx_);
    const storage::SnapshotRecord* newest = nullptr;
    t_.snapshot_sequence.ForEachFrom(tx_, {device, 0}, [&](const auto& key, const SnapshotId& id) {
      if (key.first != device) return false;
      const SnapshotRow* const row = t_.snapshot.Get(tx_, id);
      if (row != nullptr && row->record.lineage == lineage && !row->record.deleted_at) {
        newest = &row->record;
      }
      return true;
    });
    return Copy(newest);
  }

  absl::StatusOr<storage::SnapshotTotals> Totals() override {
    MOORING_STATEMENT(tx_);
    storage::SnapshotTotals totals;
    t_.snapshot.ForEach(tx_, [&](const SnapshotId&, const SnapshotRow& row) {
      if (row.record.deleted_at) return true;
      ++totals.count;
      totals.logical_bytes += row.record.logical_bytes;
      return true;
    });
    return totals;
  }

  absl::StatusOr<std::uint64_t> MaxCommitNo() override {
    MOORING_STATEMENT(tx_);
    std::uint64_t last = 0;
    t_.snapshot_commit.ForEach(tx_, [&](std::uint64_t no, const SnapshotId&) {
      last = no;
      return true;
    });
    return last;
  }

  absl::StatusOr<std::vector<storage::SnapshotRefs>> ListRefs(std::uint64_t after,
                                                              std::uint64_t last, bool with_deleted,
                                                              int limit) override {
    MOORING_STATEMENT(tx_);
    std::vector<storage::SnapshotRefs> refs;
    t_.snapshot_commit.ForEachFrom(tx_, after + 1, [&](std::uint64_t no, const SnapshotId& id) {
      if (no > last || static_cast<int>(refs.size()) >= limit) return false;
      const SnapshotRow* const row = t_.snapshot.Get(tx_, id);
      const bool is_deleted = row->record.deleted_at.has_value();
      if (with_deleted || !is_deleted) refs.push_back({no, id, is_deleted, row->content->refs});
      return true;
    });
    return refs;
  }

  absl::StatusOr<std::vector<SnapshotId>> ListUnknown(std::span<const SnapshotId> ids) override {
    MOORING_STATEMENT(tx_);
    std::vector<SnapshotId> unknown;
    for (const SnapshotId& id : ids) {
      if (t_.snapshot.Get(tx_, id) == nullptr) unknown.push_back(id);
    }
    return unknown;
  }

  absl::Status MarkDeleted(const SnapshotId& id, absl::Time at) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const SnapshotRow* const row,
                             t_.snapshot.Lock(tx_, id, storage::RowLock::kExclusive));
    if (row == nullptr) return NoSuchSnapshot();
    if (row->record.deleted_at) return absl::FailedPreconditionError("the snapshot is deleted");
    t_.snapshot.Update(tx_, id, [at](SnapshotRow& changed) { changed.record.deleted_at = at; });
    return absl::OkStatus();
  }

  absl::Status MarkVerified(const SnapshotId& id, std::uint64_t damaged_chunks,
                            absl::Time at) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const bool done,
                             t_.snapshot.LockAndUpdate(tx_, id, [&](SnapshotRow& row) {
                               row.record.verified_at = at;
                               row.record.damaged_chunks = damaged_chunks;
                             }));
    return done ? absl::OkStatus() : NoSuchSnapshot();
  }

 private:
  static absl::Status NoSuchSnapshot() { return absl::NotFoundError("no such snapshot"); }

  storage::SnapshotView ViewOf(const storage::SnapshotRecord& record) {
    const storage::DeviceRecord* const device = t_.device.Get(tx_, record.device);
    const storage::PersonRecord* const person = t_.person.Get(tx_, record.person);
    return {record, device->serial, device->name, person->handle};
  }

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace mooring::testing
