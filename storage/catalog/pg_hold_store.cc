#include <fmt/format.h>

#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

// A snapshot that a hold h covers and that is still to be kept.
constexpr char kCovered[] =
    "s.deleted_at IS NULL AND s.deletion_decided_at IS NULL"
    " AND (s.device_id = h.device_id OR s.person_id = h.person_id)";

HoldView ReadView(SqlReader& row) {
  HoldView view;
  view.hold.id = row.IdOf<HoldId>();
  view.hold.device = row.OptionalIdOf<DeviceId>();
  view.hold.person = row.OptionalIdOf<PersonId>();
  view.hold.reason = row.Text();
  view.hold.placed_by = row.Text();
  view.hold.placed_at = row.Time();
  view.hold.released_by = row.Text();
  view.hold.released_at = row.OptionalTime();
  view.serial = row.Text();
  view.person_handle = row.Text();
  view.snapshot_count = row.Uint64();
  return view;
}

PinRecord ReadPin(SqlReader& row) {
  PinRecord pin;
  pin.snapshot = row.IdOf<SnapshotId>();
  pin.pinned_by = row.Text();
  pin.pinned_at = row.Time();
  pin.until = row.OptionalTime();
  pin.reason = row.Text();
  return pin;
}

std::string SelectHolds(std::string_view where) {
  return fmt::format(
      "SELECT h.id, h.device_id, h.person_id, h.reason, h.placed_by, h.placed_at,"
      " coalesce(h.released_by, ''), h.released_at, coalesce(d.serial, ''),"
      " coalesce(p.handle, ''), (SELECT count(*) FROM snapshot s WHERE {})"
      " FROM hold h LEFT JOIN device d ON d.id = h.device_id"
      " LEFT JOIN person p ON p.id = h.person_id WHERE {} ORDER BY h.placed_at DESC, h.id",
      kCovered, where);
}

constexpr char kSelectPins[] =
    "SELECT n.snapshot_id, n.pinned_by, n.pinned_at, n.until, n.reason FROM snapshot_pin n"
    " JOIN snapshot s ON s.id = n.snapshot_id ";

class PgHoldStore final : public HoldStore {
 public:
  explicit PgHoldStore(SqlSession& sql) : sql_(sql) {}

  absl::StatusOr<std::uint64_t> Place(const HoldRecord& r) override {
    MOORING_RETURN_IF_ERROR(LockSubject(r));
    // Waits for deletions that are being decided, and then sees how they went.
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult covered,
        sql_.Exec("SELECT 1 FROM snapshot s WHERE s.deleted_at IS NULL"
                  " AND s.deletion_decided_at IS NULL AND (s.device_id = $1 OR s.person_id = $2)"
                  " ORDER BY s.id FOR SHARE OF s",
                  r.device, r.person));
    MOORING_RETURN_IF_ERROR(
        sql_.Exec("INSERT INTO hold (id, device_id, person_id, reason, placed_by, placed_at)"
                  " VALUES ($1, $2, $3, $4, $5, $6)",
                  r.id, r.device, r.person, r.reason, r.placed_by, r.placed_at)
            .status());
    return static_cast<std::uint64_t>(covered.size());
  }

  absl::StatusOr<std::optional<HoldView>> Get(const HoldId& id) override {
    return ReadOptional<HoldView>(sql_.Exec(SelectHolds("h.id = $1"), id), ReadView);
  }

  absl::StatusOr<std::vector<HoldView>> List(bool with_released) override {
    return ReadRows<HoldView>(
        sql_.Exec(SelectHolds(with_released ? "true" : "h.released_at IS NULL")), ReadView);
  }

  absl::StatusOr<std::vector<HoldView>> ListForDevice(const DeviceId& device) override {
    return ReadRows<HoldView>(
        sql_.Exec(SelectHolds("h.released_at IS NULL AND (h.device_id = $1"
                              " OR h.person_id IN (SELECT s.person_id FROM snapshot s"
                              " WHERE s.device_id = $1 AND s.deleted_at IS NULL))"),
                  device),
        ReadView);
  }

  absl::StatusOr<std::vector<HoldView>> ListForSnapshot(const SnapshotId& snapshot) override {
    return ReadRows<HoldView>(
        sql_.Exec(SelectHolds("h.released_at IS NULL AND EXISTS (SELECT 1 FROM snapshot t"
                              " WHERE t.id = $1 AND (t.device_id = h.device_id"
                              " OR t.person_id = h.person_id))"),
                  snapshot),
        ReadView);
  }

  absl::Status Release(const HoldId& id, const std::string& released_by, absl::Time at) override {
    MOORING_ASSIGN_OR_RETURN(const SqlResult released,
                             sql_.Exec("UPDATE hold SET released_by = $2, released_at = $3"
                                       " WHERE id = $1 AND released_at IS NULL",
                                       id, released_by, at));
    if (released.affected() > 0) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(const SqlResult there,
                             sql_.Exec("SELECT 1 FROM hold WHERE id = $1", id));
    if (there.empty()) return absl::NotFoundError("no such hold");
    return absl::FailedPreconditionError("the hold was released before");
  }

  absl::Status Pin(const PinRecord& r) override {
    MOORING_ASSIGN_OR_RETURN(const SqlResult there,
                             sql_.Exec("SELECT s.deletion_decided_at IS NOT NULL FROM snapshot s"
                                       " WHERE s.id = $1 AND s.deleted_at IS NULL FOR SHARE OF s",
                                       r.snapshot));
    if (there.empty()) return absl::NotFoundError("no such snapshot");
    SqlReader row(there, 0);
    const bool is_decided = row.Bool();
    MOORING_RETURN_IF_ERROR(row.status());
    if (is_decided) return absl::FailedPreconditionError("the snapshot is being deleted");
    return sql_
        .Exec(
            "INSERT INTO snapshot_pin (snapshot_id, pinned_by, pinned_at, until, reason)"
            " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (snapshot_id) DO UPDATE SET"
            " pinned_by = $2, pinned_at = $3, until = $4, reason = $5",
            r.snapshot, r.pinned_by, r.pinned_at, r.until, r.reason)
        .status();
  }

  absl::StatusOr<bool> Unpin(const SnapshotId& snapshot) override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult removed,
        sql_.Exec("DELETE FROM snapshot_pin WHERE snapshot_id = $1", snapshot));
    return removed.affected() > 0;
  }

  absl::StatusOr<std::optional<PinRecord>> GetPin(const SnapshotId& snapshot) override {
    return ReadOptional<PinRecord>(
        sql_.Exec(fmt::format("{}WHERE n.snapshot_id = $1", kSelectPins), snapshot), ReadPin);
  }

  absl::StatusOr<std::vector<PinRecord>> ListPins(const DeviceId& device) override {
    return ReadRows<PinRecord>(
        sql_.Exec(
            fmt::format("{}WHERE s.device_id = $1 AND s.deleted_at IS NULL ORDER BY n.pinned_at,"
                        " n.snapshot_id",
                        kSelectPins),
            device),
        ReadPin);
  }

  absl::Status MarkDecided(const SnapshotId& snapshot, absl::Time at) override {
    return Touched(sql_.Exec("UPDATE snapshot SET"
                             " deletion_decided_at = coalesce(deletion_decided_at, $2)"
                             " WHERE id = $1",
                             snapshot, at),
                   absl::NotFoundError("no such snapshot"));
  }

  absl::StatusOr<std::vector<SnapshotId>> ListDecided(int limit) override {
    return ReadRows<SnapshotId>(
        sql_.Exec("SELECT id FROM snapshot WHERE deletion_decided_at IS NOT NULL"
                  " AND deleted_at IS NULL ORDER BY id LIMIT $1",
                  limit),
        [](SqlReader& row) { return row.IdOf<SnapshotId>(); });
  }

 private:
  // Before the snapshots' rows, in the order in which a deletion takes them.
  absl::Status LockSubject(const HoldRecord& r) {
    if (r.device) {
      MOORING_ASSIGN_OR_RETURN(
          const SqlResult device,
          sql_.Exec("SELECT 1 FROM device WHERE id = $1 FOR SHARE", *r.device));
      if (device.empty()) return absl::NotFoundError("no such device");
      return absl::OkStatus();
    }
    if (!r.person) return absl::InvalidArgumentError("a hold is of a device or of a person");
    MOORING_ASSIGN_OR_RETURN(const SqlResult person,
                             sql_.Exec("SELECT 1 FROM person WHERE id = $1 FOR SHARE", *r.person));
    return person.empty() ? absl::NotFoundError("no such person") : absl::OkStatus();
  }

  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<HoldStore> MakePgHoldStore(SqlSession& sql) {
  return std::make_unique<PgHoldStore>(sql);
}

}  // namespace mooring::storage
