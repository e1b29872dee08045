#include "storage/collection/mark.h"

#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/repository/rowless_records.h"

namespace mooring::storage {
namespace {

// Bitmaps of one read: a few MiB each at most.
constexpr int kRefsBatch = 16;
constexpr int kTouchBatch = 256;
constexpr std::uint64_t kLastCommit = INT64_MAX;

absl::Status MarkRowless(const OpContext& ctx, CollectionParts& parts, Mark& mark) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<SnapshotId> rowless,
                           ListRowlessRecords(ctx, parts.catalog, parts.objects));
  for (const SnapshotId& id : rowless) {
    const absl::StatusOr<format::v1::CommitRecord> record =
        ReadCommitRecord(ctx, parts.objects, id);
    if (absl::IsNotFound(record.status())) continue;  // Its commit replaced it, or it was swept.
    // A commit that broke off may have left it torn, and its retry replaces it: no
    // reason to stop for good. But what it names is not known, so nothing goes meanwhile.
    if (absl::IsDataLoss(record.status())) {
      return absl::FailedPreconditionError(
          fmt::format("{}, and no snapshot has this record; nothing is collected until a retry of"
                      " its commit replaces it, or a person removes it",
                      std::string(record.status().message())));
    }
    if (!record.ok()) return record.status();
    ++mark.rowless_records;
    MOORING_RETURN_IF_ERROR(VisitRecordChunks(ctx, parts.catalog, *record,
                                              [&mark](const std::vector<ChunkLocation>& chunks) {
                                                for (const ChunkLocation& chunk : chunks)
                                                  mark.named.Add(chunk.no);
                                                return absl::OkStatus();
                                              }));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Mark> ReadMark(const OpContext& ctx, CollectionParts& parts, std::uint64_t mark_no,
                              CollectionProgress progress) {
  Mark mark;
  std::uint64_t after = 0;
  while (true) {
    std::vector<SnapshotRefs> batch;
    MOORING_RETURN_IF_ERROR(parts.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(
          batch, tx.snapshots().ListRefs(after, mark_no, /*with_deleted=*/false, kRefsBatch));
      return absl::OkStatus();
    }));
    for (const SnapshotRefs& snapshot : batch) {
      const absl::StatusOr<std::uint64_t> added =
          mark.referenced.UnionWithSerialized(snapshot.refs);
      if (!added.ok()) {
        return Annotate(added.status(), fmt::format("snapshot {}: references", snapshot.id.hex()));
      }
      mark.references += *added;
      ++mark.snapshots;
    }
    if (batch.empty()) break;
    after = batch.back().commit_no;
    progress("mark", after, mark_no);
  }
  MOORING_RETURN_IF_ERROR(MarkRowless(ctx, parts, mark));
  return mark;
}

absl::StatusOr<ChunkSet> ReadNewerRefs(Transaction& tx, std::uint64_t mark_no) {
  ChunkSet newer;
  while (true) {
    MOORING_ASSIGN_OR_RETURN(
        const std::vector<SnapshotRefs> batch,
        tx.snapshots().ListRefs(mark_no, kLastCommit, /*with_deleted=*/true, kRefsBatch));
    for (const SnapshotRefs& snapshot : batch) {
      MOORING_RETURN_IF_ERROR(newer.UnionWithSerialized(snapshot.refs).status());
    }
    if (batch.empty()) return newer;
    mark_no = batch.back().commit_no;
  }
}

absl::StatusOr<ChunkSet> ReadOpenTouches(Transaction& tx) {
  ChunkSet touched;
  std::uint64_t after = 0;
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const std::vector<SessionTouch> batch,
                             tx.collection().ListOpenTouches(after, kTouchBatch));
    for (const SessionTouch& touch : batch) {
      MOORING_RETURN_IF_ERROR(touched.UnionWithSerialized(touch.refs).status());
    }
    if (batch.empty()) return touched;
    after = batch.back().no;
  }
}

}  // namespace mooring::storage
