#include "storage/repository/rowless_records.h"

#include <algorithm>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/whole_object.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kBatch = 4096;

}  // namespace

absl::StatusOr<std::vector<SnapshotId>> ListRowlessRecords(const OpContext& ctx, Catalog& catalog,
                                                           ObjectStore& objects) {
  std::vector<SnapshotId> rowless;
  std::vector<SnapshotId> batch;
  const auto look = [&]() -> absl::Status {
    std::vector<SnapshotId> unknown;
    MOORING_RETURN_IF_ERROR(catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(unknown, tx.snapshots().ListUnknown(batch));
      return absl::OkStatus();
    }));
    rowless.insert(rowless.end(), unknown.begin(), unknown.end());
    batch.clear();
    return absl::OkStatus();
  };
  // A snapshot's record is followed by its tombstone: ".commit" < ".gone".
  std::optional<SnapshotId> last;
  const auto visit = [&](const ObjectInfo& info) -> absl::Status {
    const std::optional<SnapshotId> gone = TombstoneOfObjectKey(info.key);
    if (last && last != gone) {
      batch.push_back(*last);
      if (batch.size() >= kBatch) MOORING_RETURN_IF_ERROR(look());
    }
    last = CommitRecordOfObjectKey(info.key);
    return absl::OkStatus();
  };
  MOORING_RETURN_IF_ERROR(objects.List(ctx, kSnapshotPrefix, visit));
  if (last) batch.push_back(*last);
  MOORING_RETURN_IF_ERROR(look());
  return rowless;
}

absl::StatusOr<format::v1::CommitRecord> ReadCommitRecord(const OpContext& ctx,
                                                          ObjectStore& objects,
                                                          const SnapshotId& snapshot) {
  const std::string key = CommitRecordObjectKey(snapshot);
  MOORING_ASSIGN_OR_RETURN(const Bytes bytes,
                           ReadSettledObject(objects, ctx, key, kObjectBytesMax));
  format::v1::CommitRecord record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError(fmt::format("object {}: damaged", key));
  }
  return record;
}

absl::Status VisitRecordChunks(
    const OpContext& ctx, Catalog& catalog, const format::v1::CommitRecord& record,
    absl::FunctionRef<absl::Status(const std::vector<ChunkLocation>&)> visit) {
  for (const format::v1::RecordRefs& refs : record.refs()) {
    const std::optional<DomainId> domain = DomainId::FromBytes(refs.domain_id());
    const ByteView ids = AsBytes(refs.ids());
    if (!domain || ids.size() % ChunkId::kBytes != 0) {
      return absl::DataLossError("commit record: damaged references");
    }
    for (std::size_t at = 0; at < ids.size(); at += kBatch * ChunkId::kBytes) {
      const ByteView part = ids.subspan(at, std::min(kBatch * ChunkId::kBytes, ids.size() - at));
      std::vector<ChunkId> wanted;
      for (std::size_t i = 0; i < part.size(); i += ChunkId::kBytes) {
        wanted.push_back(*ChunkId::FromBytes(part.subspan(i, ChunkId::kBytes)));
      }
      std::vector<ChunkLocation> found;
      MOORING_RETURN_IF_ERROR(catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
        found.clear();
        MOORING_ASSIGN_OR_RETURN(const auto located,
                                 tx.chunks().Locate(std::span(&*domain, 1), wanted));
        for (const std::optional<ChunkLocation>& chunk : located) {
          if (chunk) found.push_back(*chunk);
        }
        return absl::OkStatus();
      }));
      MOORING_RETURN_IF_ERROR(visit(found));
    }
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
