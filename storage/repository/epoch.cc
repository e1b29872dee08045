#include "storage/repository/epoch.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/audit_detail.h"
#include "storage/repository/store_records.h"
#include "storage/repository/whole_object.h"

namespace mooring::storage {
namespace {

constexpr int kAttemptsMax = 3;

// A transaction that may run again: an outcome that is not known is settled by
// running it until it is.
absl::Status RunSettled(const OpContext& ctx, Catalog& catalog,
                        absl::FunctionRef<absl::Status(Transaction&)> body) {
  absl::Status status = catalog.Run(ctx, body);
  for (int i = 1; i < kAttemptsMax && absl::IsUnknown(status); ++i) status = catalog.Run(ctx, body);
  return status;
}

// The state's row, locked, while `round_id` (if there is one) is the newest round.
absl::StatusOr<CollectionState> Hold(Transaction& tx, ByteView round_id) {
  MOORING_ASSIGN_OR_RETURN(CollectionState state, tx.collection().Get(RowLock::kExclusive));
  if (!round_id.empty() && !std::ranges::equal(round_id, state.round_id)) {
    return absl::FailedPreconditionError("another round of collection has begun");
  }
  return state;
}

}  // namespace

absl::StatusOr<StoreEpoch> ReadStoreEpoch(const OpContext& ctx, ObjectStore& objects) {
  StoreEpoch store;
  MOORING_RETURN_IF_ERROR(objects.List(ctx, kCollectionPrefix, [&](const ObjectInfo& info) {
    if (const auto epoch = EpochOfObjectKey(info.key)) store.epoch = std::max(store.epoch, *epoch);
    if (const auto generation = DoomJournalOfObjectKey(info.key)) {
      store.generation = std::max(store.generation, *generation);
    }
    return absl::OkStatus();
  }));
  return store;
}

std::string WhyCatalogIsOld(const CollectionState& state, const StoreEpoch& store) {
  const std::uint64_t known = std::max(state.epoch, state.pending_epoch.value_or(0));
  if (store.epoch > known) {
    return fmt::format("the object store is at epoch {}, the catalog at {}", store.epoch, known);
  }
  if (store.generation > state.generation) {
    return fmt::format("the object store has a doom journal of generation {}, the catalog is at {}",
                       store.generation, state.generation);
  }
  return "";
}

absl::Status CheckNotInRecovery(const CollectionState& state) {
  if (state.recovery_reason.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "recovery: the catalog is older than the object store ({}); it was restored from an older"
      " copy, or a standby that lagged has taken over. Nothing is backed up or collected until you"
      " run: mooring repository rebuild --reconcile",
      state.recovery_reason));
}

absl::Status CheckEpoch(Transaction& tx, const StoreEpoch& store) {
  MOORING_ASSIGN_OR_RETURN(CollectionState state, tx.collection().Get());
  if (state.recovery_reason.empty()) state.recovery_reason = WhyCatalogIsOld(state, store);
  return CheckNotInRecovery(state);
}

absl::Status GuardEpoch(const OpContext& ctx, Catalog& catalog, ObjectStore& objects,
                        Clock& clock) {
  MOORING_ASSIGN_OR_RETURN(const StoreEpoch store, ReadStoreEpoch(ctx, objects));
  CollectionState state;
  MOORING_RETURN_IF_ERROR(catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(state, tx.collection().Get());
    return absl::OkStatus();
  }));
  MOORING_RETURN_IF_ERROR(CheckNotInRecovery(state));
  state.recovery_reason = WhyCatalogIsOld(state, store);
  if (state.recovery_reason.empty()) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(EnterRecovery(ctx, catalog, clock, state.recovery_reason));
  return CheckNotInRecovery(state);
}

absl::Status EnterRecovery(const OpContext& ctx, Catalog& catalog, Clock& clock,
                           const std::string& reason) {
  return RunSettled(ctx, catalog, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(CollectionState state, Hold(tx, {}));
    if (!state.recovery_reason.empty()) return absl::OkStatus();
    state.recovery_reason = reason;
    MOORING_RETURN_IF_ERROR(tx.collection().Put(state));
    return tx.Audit({.at = clock.Now(),
                     .actor = "server",
                     .action = "repository.recovery",
                     .subject = "repository",
                     .detail_json = AuditDetail({{"why", reason}})});
  });
}

absl::StatusOr<std::uint64_t> AdvanceEpoch(const OpContext& ctx, Catalog& catalog,
                                           ObjectStore& objects, ByteView round_id) {
  MOORING_ASSIGN_OR_RETURN(const StoreEpoch store, ReadStoreEpoch(ctx, objects));
  std::uint64_t next = 0;
  // Never a number that was pending before: an older copy of the catalog may
  // know it as pending, too.
  MOORING_RETURN_IF_ERROR(RunSettled(ctx, catalog, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(CollectionState state, Hold(tx, round_id));
    next = std::max({state.epoch, state.pending_epoch.value_or(0), store.epoch}) + 1;
    state.pending_epoch = next;
    return tx.collection().Put(state);
  }));
  MOORING_RETURN_IF_ERROR(
      PutAndReadBack(objects, ctx, EpochObjectKey(next), EncodeEpochObject(next)));
  MOORING_RETURN_IF_ERROR(RunSettled(ctx, catalog, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(CollectionState state, Hold(tx, round_id));
    state.epoch = std::max(state.epoch, next);
    if (state.pending_epoch.value_or(0) <= state.epoch) state.pending_epoch.reset();
    return tx.collection().Put(state);
  }));
  std::vector<std::string> older;
  MOORING_RETURN_IF_ERROR(objects.List(ctx, kCollectionPrefix, [&](const ObjectInfo& info) {
    const std::optional<std::uint64_t> epoch = EpochOfObjectKey(info.key);
    if (epoch && *epoch < next) older.push_back(info.key);
    return absl::OkStatus();
  }));
  for (const std::string& key : older) {
    // A lock only keeps an old number for longer.
    const absl::Status removed = objects.Remove(ctx, key);
    if (!removed.ok() && !absl::IsFailedPrecondition(removed)) return removed;
  }
  return next;
}

absl::Status LeaveRecovery(const OpContext& ctx, Catalog& catalog, ObjectStore& objects,
                           Clock& clock, const std::string& actor) {
  MOORING_RETURN_IF_ERROR(AdvanceEpoch(ctx, catalog, objects, {}).status());
  MOORING_ASSIGN_OR_RETURN(const StoreEpoch store, ReadStoreEpoch(ctx, objects));
  return RunSettled(ctx, catalog, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(CollectionState state, Hold(tx, {}));
    const std::string why = state.recovery_reason;
    state.generation = std::max(state.generation, store.generation);
    state.round_id.clear();  // Whoever was collecting stops.
    state.recovery_reason.clear();
    MOORING_RETURN_IF_ERROR(tx.collection().Put(state));
    return tx.Audit({.at = clock.Now(),
                     .actor = actor,
                     .action = "repository.reconcile",
                     .subject = "repository",
                     .detail_json = AuditDetail({{"was", why}})});
  });
}

}  // namespace mooring::storage
