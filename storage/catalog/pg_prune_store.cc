#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

class PgPruneStore final : public PruneStore {
 public:
  explicit PgPruneStore(SqlSession& sql) : sql_(sql) {}

  absl::StatusOr<PruneState> Get(RowLock lock) override {
    MOORING_ASSIGN_OR_RETURN(
        std::optional<PruneState> state,
        ReadOptional<PruneState>(
            sql_.Exec("SELECT p.last_run_at, p.stopped, p.status FROM prune_state p" +
                      LockClause(lock, "p")),
            [](SqlReader& row) {
              PruneState read;
              read.last_run_at = row.OptionalTime();
              read.stopped = row.Text();
              read.status = row.Message<v1::PruneStatus>();
              return read;
            }));
    if (!state) return absl::DataLossError("the catalog has no prune_state");
    return *std::move(state);
  }

  absl::Status RecordRun(absl::Time at) override {
    return sql_.Exec("UPDATE prune_state SET last_run_at = greatest(last_run_at, $1)", at).status();
  }

  absl::Status RecordStatus(const v1::PruneStatus& status) override {
    return sql_.Exec("UPDATE prune_state SET status = $1", AsBytes(status.SerializeAsString()))
        .status();
  }

  absl::Status SetStopped(const std::string& why) override {
    return sql_.Exec("UPDATE prune_state SET stopped = $1", why).status();
  }

  absl::StatusOr<std::vector<PauseMemoryRecord>> ListMemory(const DeviceId& device) override {
    return ReadRows<PauseMemoryRecord>(
        sql_.Exec("SELECT device_id, lineage, accepted_sequence, settled_sequence"
                  " FROM pause_memory WHERE device_id = $1 ORDER BY lineage",
                  device),
        [](SqlReader& row) {
          PauseMemoryRecord record;
          record.device = row.IdOf<DeviceId>();
          record.lineage = row.Uint32();
          record.accepted_sequence = row.Uint64();
          record.settled_sequence = row.Uint64();
          return record;
        });
  }

  absl::Status Remember(const PauseMemoryRecord& r) override {
    return sql_
        .Exec(
            "INSERT INTO pause_memory AS m (device_id, lineage, accepted_sequence,"
            " settled_sequence) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (device_id, lineage) DO UPDATE SET"
            " accepted_sequence = greatest(m.accepted_sequence, $3),"
            " settled_sequence = greatest(m.settled_sequence, $4)",
            r.device, r.lineage, r.accepted_sequence, r.settled_sequence)
        .status();
  }

  absl::StatusOr<std::uint64_t> CountSnapshotsOfGroup(const std::string& group) override {
    return ReadCount(
        sql_.Exec("SELECT count(*) FROM snapshot s JOIN person p ON p.id = s.person_id"
                  " WHERE p.policy_group = $1 AND s.deleted_at IS NULL",
                  group));
  }

  absl::StatusOr<std::optional<absl::Time>> NewestSnapshotAt() override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.Exec("SELECT max(created_at) FROM snapshot WHERE deleted_at IS NULL"));
    SqlReader row(result, 0);
    const std::optional<absl::Time> newest = row.OptionalTime();
    MOORING_RETURN_IF_ERROR(row.status());
    return newest;
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<PruneStore> MakePgPruneStore(SqlSession& sql) {
  return std::make_unique<PgPruneStore>(sql);
}

}  // namespace mooring::storage
