// Checks the small objects of the repository: the commit record of every live
// snapshot against its row, and every key object against its slot. The catalog
// holds all that is in them, so what is missing or wrong is written anew.

#pragma once

#include <cstdint>

#include <absl/status/statusor.h>

#include "mooring/format/v1/commit_record.pb.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

struct RecordReport {
  std::uint64_t checked = 0;
  std::uint64_t bad = 0;
  std::uint64_t healed = 0;  // Of the bad ones.
};

// One pass over everything; a bad object does not stop it. Errors are the
// store's or the catalog's.
absl::StatusOr<RecordReport> CheckRecords(const OpContext& ctx, Catalog& catalog,
                                          ObjectStore& objects, Clock& clock);

// The commit record that the row of `snapshot` stands for. kDataLoss: a
// reference has no row. kNotFound: no such snapshot, or it is deleted.
absl::StatusOr<format::v1::CommitRecord> RecordOfRow(Transaction& tx, const SnapshotId& snapshot);

// Whether two records say the same, whatever the order of their domains.
bool SameRecord(format::v1::CommitRecord a, format::v1::CommitRecord b);

}  // namespace mooring::storage
