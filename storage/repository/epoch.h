// Epoch: tells a catalog that has traveled back in time from one that has not.
//
// Before anything is removed from the object store, a round numbers itself in both:
// pending in the catalog, then gc/epoch-<n> durable, then current in the catalog.
// A store with a greater number, or with a doom journal of a later generation,
// than the catalog knows has seen removals that the catalog has forgotten: it was
// restored from an older copy, or a standby that lagged has taken over. Then its
// rows cannot be trusted to say what is there, and the repository is in RECOVERY:
// no new session, no Find, no commit, no collection, until
// `mooring repository rebuild --reconcile` has brought it up to the store.

#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/collection_store.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

// Greatest numbers that the store holds; 0 where it has none.
struct StoreEpoch {
  std::uint64_t epoch = 0;
  std::uint64_t generation = 0;  // Of doom journals.
};

absl::StatusOr<StoreEpoch> ReadStoreEpoch(const OpContext& ctx, ObjectStore& objects);

// Empty if the catalog has seen all that the store has. `store` was read before
// `state`: a round that is going on is pending in the catalog first.
std::string WhyCatalogIsOld(const CollectionState& state, const StoreEpoch& store);

// OK, or kFailedPrecondition that names what to do, while the catalog is older.
absl::Status CheckNotInRecovery(const CollectionState& state);

// The same within a transaction that stands on the catalog's word of what is
// there; also where `store`, read before the transaction, is ahead of it.
absl::Status CheckEpoch(Transaction& tx, const StoreEpoch& store);

// Reads both, in the right order; a catalog that is older enters recovery, with
// an audit row. As CheckNotInRecovery.
absl::Status GuardEpoch(const OpContext& ctx, Catalog& catalog, ObjectStore& objects, Clock& clock);

// Latches the recovery state. OK if it is in recovery already.
absl::Status EnterRecovery(const OpContext& ctx, Catalog& catalog, Clock& clock,
                           const std::string& reason);

// Takes a new epoch above every one that catalog or store has seen, durable in
// the store before it is current in the catalog. `round_id` not empty: only
// while that round is the newest (kFailedPrecondition). Removes older epoch objects.
absl::StatusOr<std::uint64_t> AdvanceEpoch(const OpContext& ctx, Catalog& catalog,
                                           ObjectStore& objects, ByteView round_id);

// Ends recovery once the catalog has been reconciled with the store: takes an
// epoch above the store's, raises the generation to the store's, and clears the
// reason, with an audit row. Part of `mooring repository rebuild --reconcile`.
absl::Status LeaveRecovery(const OpContext& ctx, Catalog& catalog, ObjectStore& objects,
                           Clock& clock, const std::string& actor);

}  // namespace mooring::storage
