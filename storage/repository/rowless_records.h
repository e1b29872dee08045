// Rowless records: commit records without a snapshot in the catalog and without a
// tombstone. Each is a commit that a crash cut short, or a snapshot that the
// catalog has forgotten because it was restored from an older copy; from the
// store alone the two look the same, so what they name is kept.

#pragma once

#include <cstdint>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "mooring/format/v1/commit_record.pb.h"
#include "storage/base/ids.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/chunk_index.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

// Reads the whole listing of snapshots/. Ascending.
absl::StatusOr<std::vector<SnapshotId>> ListRowlessRecords(const OpContext& ctx, Catalog& catalog,
                                                           ObjectStore& objects);

// kNotFound: it is gone. kDataLoss: it does not parse.
absl::StatusOr<format::v1::CommitRecord> ReadCommitRecord(const OpContext& ctx,
                                                          ObjectStore& objects,
                                                          const SnapshotId& snapshot);

// Gives `visit` the rows of the chunks that the record names, in batches; ids
// without a row are left out.
absl::Status VisitRecordChunks(
    const OpContext& ctx, Catalog& catalog, const format::v1::CommitRecord& record,
    absl::FunctionRef<absl::Status(const std::vector<ChunkLocation>&)> visit);

}  // namespace mooring::storage
