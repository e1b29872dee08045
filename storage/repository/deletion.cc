#include "storage/repository/deletion.h"

#include <optional>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/hold_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/repository/audit_detail.h"

namespace mooring::storage {

absl::Status CheckNotKept(Transaction& tx, const SnapshotId& snapshot, absl::Time now) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<HoldView> holds, tx.holds().ListForSnapshot(snapshot));
  if (!holds.empty()) {
    const HoldView& hold = holds.front();
    return absl::FailedPreconditionError(fmt::format(
        "the snapshot is on hold, placed by {} on {} {}; `mooring hold release` asks for its end",
        hold.hold.placed_by, hold.hold.device ? "device" : "person",
        hold.hold.device ? hold.serial : hold.person_handle));
  }
  MOORING_ASSIGN_OR_RETURN(const std::optional<PinRecord> pin, tx.holds().GetPin(snapshot));
  if (!pin || (pin->until && now >= *pin->until)) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "the snapshot is pinned by {}; `mooring snapshot pin --remove` lets it go", pin->pinned_by));
}

absl::Status DecideDeletion(Transaction& tx, const SnapshotId& snapshot, const std::string& actor,
                            const std::string& reason, absl::Time now,
                            absl::FunctionRef<absl::Status(Transaction&)> allowed) {
  MOORING_ASSIGN_OR_RETURN(const std::optional<SnapshotView> found, tx.snapshots().Get(snapshot));
  if (!found) return absl::NotFoundError("no such snapshot");
  MOORING_RETURN_IF_ERROR(tx.devices().Get(found->snapshot.device, RowLock::kExclusive).status());
  MOORING_ASSIGN_OR_RETURN(const std::optional<SnapshotView> view,
                           tx.snapshots().Get(snapshot, RowLock::kExclusive));
  if (!view) return absl::NotFoundError("no such snapshot");
  if (view->snapshot.deleted_at || view->snapshot.deletion_decided_at) return absl::OkStatus();
  // Statements of their own after the locks: they see what was committed meanwhile.
  MOORING_RETURN_IF_ERROR(CheckNotKept(tx, snapshot, now));
  MOORING_RETURN_IF_ERROR(allowed(tx));
  MOORING_RETURN_IF_ERROR(tx.holds().MarkDecided(snapshot, now));
  return tx.Audit({.at = now,
                   .actor = actor,
                   .action = "snapshot.delete_decided",
                   .subject = snapshot.hex(),
                   .detail_json = AuditDetail({{"reason", reason}})});
}

}  // namespace mooring::storage
