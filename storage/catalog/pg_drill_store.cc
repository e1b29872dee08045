#include "storage/base/status.h"
#include "storage/catalog/drill_store.h"
#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

DrillView Read(SqlReader& row) {
  DrillView view;
  DrillRecord& drill = view.drill;
  drill.id = row.IdOf<DrillId>();
  drill.snapshot = row.IdOf<SnapshotId>();
  drill.device = row.IdOf<DeviceId>();
  drill.requested_by = row.Text();
  drill.started_at = row.Time();
  drill.finished_at = row.Time();
  drill.result = row.Enum<DrillResult>();
  drill.file_count = row.Uint64();
  drill.bytes = row.Uint64();
  drill.chunk_count = row.Uint64();
  drill.damaged_count = row.Uint64();
  drill.message = row.Text();
  view.serial = row.Text();
  return view;
}

class PgDrillStore final : public DrillStore {
 public:
  explicit PgDrillStore(SqlSession& sql) : sql_(sql) {}

  absl::Status Add(const DrillRecord& r) override {
    return sql_
        .Exec(
            "INSERT INTO drill (id, snapshot_id, device_id, requested_by, started_at,"
            " finished_at, result, file_count, bytes, chunk_count, damaged_count, message)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
            r.id, r.snapshot, r.device, r.requested_by, r.started_at, r.finished_at, r.result,
            r.file_count, r.bytes, r.chunk_count, r.damaged_count, r.message)
        .status();
  }

  absl::StatusOr<std::vector<DrillView>> List(const std::optional<DeviceId>& device,
                                              int limit) override {
    return ReadRows<DrillView>(
        sql_.Exec("SELECT r.id, r.snapshot_id, r.device_id, r.requested_by, r.started_at,"
                  " r.finished_at, r.result, r.file_count, r.bytes, r.chunk_count,"
                  " r.damaged_count, r.message, coalesce(d.serial, '') FROM drill r"
                  " LEFT JOIN device d ON d.id = r.device_id"
                  " WHERE $1::bytea IS NULL OR r.device_id = $1::bytea"
                  " ORDER BY r.started_at DESC, r.id LIMIT $2",
                  device, limit),
        Read);
  }

  absl::StatusOr<std::vector<SnapshotId>> Candidates(const std::optional<DeviceId>& device,
                                                     int limit) override {
    return ReadRows<SnapshotId>(
        sql_.Exec("SELECT s.id FROM snapshot s LEFT JOIN"
                  " (SELECT snapshot_id, max(started_at) AS last FROM drill GROUP BY 1) r"
                  " ON r.snapshot_id = s.id WHERE s.deleted_at IS NULL"
                  " AND ($1::bytea IS NULL OR s.device_id = $1::bytea)"
                  " ORDER BY r.last NULLS FIRST, s.id LIMIT $2",
                  device, limit),
        [](SqlReader& row) { return row.IdOf<SnapshotId>(); });
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<DrillStore> MakePgDrillStore(SqlSession& sql) {
  return std::make_unique<PgDrillStore>(sql);
}

}  // namespace mooring::storage
