// The decision to delete a snapshot: the one place where holds and pins are asked.

#pragma once

#include <string>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/time/time.h>

#include "storage/base/ids.h"
#include "storage/catalog/catalog.h"

namespace mooring::storage {

// OK if neither a hold nor a pin keeps the snapshot. kFailedPrecondition says which.
// Without a lock it is only what is so now.
absl::Status CheckNotKept(Transaction& tx, const SnapshotId& snapshot, absl::Time now);

// Takes the rows of the device and of the snapshot exclusively, and decides: from the
// end of the transaction on the deletion is certain. A hold or a pin takes the
// snapshot's row too (hold_store.h), so it is either found here, or it finds this.
// Decisions about one device come one after the other, so that what `allowed` sees of
// the device's other snapshots still holds when this one is gone.
//
// OK without asking if it is decided or deleted already. kNotFound: no such snapshot.
// kFailedPrecondition: it is kept. Otherwise what `allowed` says.
absl::Status DecideDeletion(Transaction& tx, const SnapshotId& snapshot, const std::string& actor,
                            const std::string& reason, absl::Time now,
                            absl::FunctionRef<absl::Status(Transaction&)> allowed);

}  // namespace mooring::storage
