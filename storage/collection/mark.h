// Mark: which chunks snapshots reference, as an OR of their bitmaps. Takes no lock.

#pragma once

#include <cstdint>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/collection/round.h"
#include "storage/repository/chunk_set.h"

namespace mooring::storage {

struct Mark {
  // By snapshots that are not deleted, up to the mark's commit.
  ChunkSet referenced;
  // Named by commit records that have no snapshot: kept, but not expected to be live.
  ChunkSet named;
  std::uint64_t snapshots = 0;
  std::uint64_t references = 0;
  std::uint64_t rowless_records = 0;
};

// kDataLoss: a snapshot's references, or a commit record without a snapshot,
// cannot be read, so nobody can say what may go.
absl::StatusOr<Mark> ReadMark(const OpContext& ctx, CollectionParts& parts, std::uint64_t mark_no,
                              CollectionProgress progress);

// What commits after `mark_no` reference, deleted ones included, as `tx` sees it.
absl::StatusOr<ChunkSet> ReadNewerRefs(Transaction& tx, std::uint64_t mark_no);

// What open sessions were told is there, as `tx` sees it.
absl::StatusOr<ChunkSet> ReadOpenTouches(Transaction& tx);

}  // namespace mooring::storage
