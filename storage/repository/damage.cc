#include "storage/repository/damage.h"

#include <vector>

#include "storage/base/status.h"
#include "storage/catalog/care_store.h"
#include "storage/repository/chunk_set.h"

namespace mooring::storage {
namespace {

constexpr int kLostBatch = 10'000;
// References of one snapshot can be some megabytes.
constexpr int kSnapshotBatch = 16;

absl::Status CollectLost(const OpContext& ctx, Catalog& catalog, ChunkSet& lost) {
  std::uint64_t after = 0;
  while (true) {
    std::vector<ChunkLocation> batch;
    MOORING_RETURN_IF_ERROR(catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(batch, tx.care().LostChunks(after, kLostBatch));
      return absl::OkStatus();
    }));
    for (const ChunkLocation& chunk : batch) lost.Add(chunk.no);
    if (batch.size() < static_cast<std::size_t>(kLostBatch)) return absl::OkStatus();
    after = batch.back().no;
  }
}

}  // namespace

absl::StatusOr<DamageSummary> RefreshDamage(const OpContext& ctx, Catalog& catalog) {
  ChunkSet lost;
  MOORING_RETURN_IF_ERROR(CollectLost(ctx, catalog, lost));
  DamageSummary summary;
  summary.lost_chunks = lost.size();
  SnapshotId after;
  while (true) {
    std::vector<LiveSnapshotRefs> batch;
    std::uint64_t damaged = 0;
    const absl::Status ran = catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      damaged = 0;
      MOORING_ASSIGN_OR_RETURN(batch, tx.care().SnapshotsAfter(after, kSnapshotBatch));
      for (const LiveSnapshotRefs& snapshot : batch) {
        MOORING_ASSIGN_OR_RETURN(const ChunkSet refs, ChunkSet::Parse(snapshot.refs));
        const std::uint64_t count = refs.CommonCount(lost);
        if (count > 0) ++damaged;
        if (count == snapshot.damaged_chunks) continue;
        MOORING_RETURN_IF_ERROR(tx.care().SetDamaged(snapshot.snapshot, count));
      }
      return absl::OkStatus();
    });
    MOORING_RETURN_IF_ERROR(ran);
    summary.damaged_snapshots += damaged;
    if (batch.size() < static_cast<std::size_t>(kSnapshotBatch)) return summary;
    after = batch.back().snapshot;
  }
}

}  // namespace mooring::storage
