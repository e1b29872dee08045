#include <algorithm>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

using storage::PauseMemoryRecord;
using storage::PruneState;

class MemoryPruneStore final : public storage::PruneStore {
 public:
  MemoryPruneStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::StatusOr<PruneState> Get(storage::RowLock lock) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const PruneState* const row,
                             t_.prune_state.Lock(tx_, Tables::kOne, lock));
    if (row == nullptr) return absl::DataLossError("the catalog has no prune_state");
    return *row;
  }

  absl::Status RecordRun(absl::Time at) override {
    return ChangeState(
        [at](PruneState& row) { row.last_run_at = std::max(row.last_run_at.value_or(at), at); });
  }
  absl::Status RecordStatus(const v1::PruneStatus& status) override {
    return ChangeState([&](PruneState& row) { row.status = status; });
  }
  absl::Status SetStopped(const std::string& why) override {
    return ChangeState([&](PruneState& row) { row.stopped = why; });
  }

  absl::StatusOr<std::vector<PauseMemoryRecord>> ListMemory(const DeviceId& device) override {
    MOORING_STATEMENT(tx_);
    return Rows(tx_, t_.pause_memory,
                [&](const PauseMemoryRecord& record) { return record.device == device; });
  }

  absl::Status Remember(const PauseMemoryRecord& record) override {
    MOORING_STATEMENT(tx_);
    const std::pair<DeviceId, std::uint32_t> key{record.device, record.lineage};
    if (t_.device.Get(tx_, record.device) == nullptr) {
      return tx_.Fail(Violates("pause_memory.device_id"));
    }
    MOORING_ASSIGN_OR_RETURN(const bool is_new, t_.pause_memory.Insert(tx_, key, record));
    if (is_new) return absl::OkStatus();
    return t_.pause_memory
        .LockAndUpdate(
            tx_, key,
            [&](PauseMemoryRecord& row) {
              row.accepted_sequence = std::max(row.accepted_sequence, record.accepted_sequence);
              row.settled_sequence = std::max(row.settled_sequence, record.settled_sequence);
            })
        .status();
  }

  absl::StatusOr<std::uint64_t> CountSnapshotsOfGroup(const std::string& group) override {
    MOORING_STATEMENT(tx_);
    return CountOf(tx_, t_.snapshot, [&](const SnapshotRow& row) {
      return !row.record.deleted_at && t_.person.Get(tx_, row.record.person)->group == group;
    });
  }

  absl::StatusOr<std::optional<absl::Time>> NewestSnapshotAt() override {
    MOORING_STATEMENT(tx_);
    std::optional<absl::Time> newest;
    t_.snapshot.ForEach(tx_, [&](const SnapshotId&, const SnapshotRow& row) {
      if (!row.record.deleted_at) {
        newest = std::max(newest.value_or(row.record.created_at), row.record.created_at);
      }
      return true;
    });
    return newest;
  }

 private:
  template <typename Change>
  absl::Status ChangeState(Change change) {
    MOORING_STATEMENT(tx_);
    return t_.prune_state.LockAndUpdate(tx_, Tables::kOne, change).status();
  }

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace

std::unique_ptr<storage::PruneStore> MakeMemoryPruneStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryPruneStore>(tx, t);
}

}  // namespace mooring::testing
