#include "tests/sim/travel.h"

#include <fmt/format.h>

#include "storage/objects/object_layout.h"
#include "storage/repository/chunk_set.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::testing {

void Travel::Go() {
  while (ground_.catalog.HasOpenTransactions()) ground_.scheduler.Sleep(absl::Milliseconds(1));
  for (const auto& [id, promise] : ground_.oracle.acknowledged()) {
    const SnapshotRow* const row = ground_.catalog.tables().snapshot.Committed(id);
    if (row != nullptr && !ground_.oracle.MayBeGone(id)) Remember(id, *row);
  }
  ground_.catalog.Restore(*saved_);
  ground_.oracle.Silence();
  ground_.trace.Note("travel");
}

void Travel::Remember(const SnapshotId& id, const SnapshotRow& row) {
  const absl::StatusOr<storage::ChunkSet> refs = storage::ChunkSet::Parse(row.content->refs);
  if (!refs.ok()) return;
  const Tables& tables = ground_.catalog.tables();
  Needed needed{id, {}};
  refs->ForEachBatch(
          4096,
          [&](const std::vector<std::uint64_t>& batch) {
            for (const std::uint64_t no : batch) {
              const IndexedChunk* const chunk = tables.chunk.Committed(no);
              if (chunk == nullptr) continue;
              needed.chunks.push_back({tables.domain.Committed(chunk->domain_no)->id, chunk->id,
                                       tables.pack.Committed(chunk->pack_no)->id, chunk->offset,
                                       chunk->bytes});
            }
            return absl::OkStatus();
          })
      .IgnoreError();
  needed_.push_back(std::move(needed));
}

bool Travel::IsThere(const NeededChunk& chunk, const PackId& pack, std::uint64_t offset) {
  Bytes bytes(chunk.bytes);
  const absl::StatusOr<std::size_t> read =
      ground_.disk.ReadAt({}, storage::PackObjectKey(pack), offset, bytes);
  return read.ok() && *read == bytes.size() && storage::ChunkIdOf(bytes) == chunk.id;
}

bool Travel::IsAnywhere(const NeededChunk& chunk) {
  if (IsThere(chunk, chunk.pack, chunk.offset)) return true;
  // Or where the catalog has it by now.
  const Tables& tables = ground_.catalog.tables();
  const std::int32_t* const domain = tables.domain_id.Committed(chunk.domain);
  if (domain == nullptr) return false;
  const std::uint64_t* const no = tables.chunk_id.Committed({*domain, chunk.id});
  if (no == nullptr) return false;
  const IndexedChunk* const row = tables.chunk.Committed(*no);
  return IsThere(chunk, tables.pack.Committed(row->pack_no)->id, row->offset);
}

void Travel::Check() {
  for (const Needed& needed : needed_) {
    if (ground_.oracle.MayBeGone(needed.snapshot)) continue;
    const std::string name = needed.snapshot.hex();
    if (!ground_.disk.Stat({}, storage::CommitRecordObjectKey(needed.snapshot)).ok() ||
        !ground_.disk.Stat({}, storage::SnapshotKeyObjectKey(needed.snapshot)).ok()) {
      return ground_.oracle.FailAloud(
          fmt::format("I1: after the catalog traveled, snapshot {} lost its record or key", name));
    }
    for (const NeededChunk& chunk : needed.chunks) {
      if (IsAnywhere(chunk)) continue;
      return ground_.oracle.FailAloud(fmt::format(
          "I3: after the catalog traveled, snapshot {} lost chunk {}", name, chunk.id.hex()));
    }
  }
}

}  // namespace mooring::testing
