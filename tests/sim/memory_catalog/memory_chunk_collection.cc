// The collector's side of the chunk index: rows that change their state or place.

#include <algorithm>
#include <map>
#include <set>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_chunk_index.h"

namespace mooring::testing {
namespace {

using storage::ChunkLocation;
using storage::ChunkState;
using storage::RowLock;

bool IsLiveOrCondemned(const IndexedChunk& chunk) {
  return chunk.state == ChunkState::kLive || chunk.state == ChunkState::kCondemned;
}

storage::ChunkRow RowOf(std::uint64_t no, const IndexedChunk& chunk) {
  return {no,          chunk.pack_no,      chunk.bytes,
          chunk.state, chunk.condemned_at, chunk.condemned_generation};
}

void Revive(IndexedChunk& chunk, ChunkState state) {
  chunk.state = state;
  chunk.condemned_at.reset();
  chunk.condemned_generation.reset();
}

}  // namespace

template <typename Wanted, typename Change>
absl::StatusOr<std::uint64_t> MemoryChunkIndex::ChangeRows(std::span<const std::uint64_t> numbers,
                                                           Wanted wanted, Change change) {
  std::map<Name, std::uint64_t> sorted;
  for (const std::uint64_t no : numbers) {
    const IndexedChunk* const row = t_.chunk.Get(tx_, no);
    if (row != nullptr && wanted(*row)) sorted[{row->domain_no, row->id}] = no;
  }
  std::uint64_t changed = 0;
  for (const auto& [name, no] : sorted) {
    MOORING_RETURN_IF_ERROR(t_.chunk.Lock(tx_, no, RowLock::kExclusive).status());
  }
  for (const auto& [name, no] : sorted) {
    const IndexedChunk* const row = t_.chunk.Get(tx_, no);
    if (row == nullptr || !wanted(*row)) continue;
    t_.chunk.Update(tx_, no, change);
    ++changed;
  }
  return changed;
}

absl::StatusOr<std::int64_t> MemoryChunkIndex::HoldPack(const PackId& pack, RowLock lock) {
  const std::int64_t* const found = t_.pack_id.Get(tx_, pack);
  if (found == nullptr) return absl::NotFoundError("no such pack");
  const std::int64_t no = *found;
  MOORING_ASSIGN_OR_RETURN(const storage::PackRecord* const row, t_.pack.Lock(tx_, no, lock));
  if (row == nullptr) return absl::NotFoundError("no such pack");
  return no;
}

absl::StatusOr<std::vector<std::uint64_t>> MemoryChunkIndex::ListCondemned(
    const PersonId& person, const DomainId& domain, std::span<const ChunkId> ids) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const Domain entered, Enter(person, domain));
  std::vector<std::uint64_t> condemned;
  for (const ChunkId& id : ids) {
    std::uint64_t no = 0;
    const IndexedChunk* const row = Find({entered.no, id}, no);
    if (row == nullptr || row->state != ChunkState::kCondemned) continue;
    if (entered.person || Owns(person, no)) {
      condemned.push_back(no);
    }
  }
  return condemned;
}

absl::StatusOr<std::uint64_t> MemoryChunkIndex::Resurrect(std::span<const std::uint64_t> numbers) {
  MOORING_STATEMENT(tx_);
  return ChangeRows(
      numbers, [](const IndexedChunk& row) { return row.state == ChunkState::kCondemned; },
      [](IndexedChunk& row) { Revive(row, ChunkState::kLive); });
}

// Three statements, as PostgreSQL's.
absl::StatusOr<std::vector<std::optional<storage::LiveChunk>>> MemoryChunkIndex::FindAndTouch(
    const PersonId& person, const DomainId& domain, std::span<const ChunkId> ids) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> condemned,
                           ListCondemned(person, domain, ids));
  if (!condemned.empty()) MOORING_RETURN_IF_ERROR(Resurrect(condemned).status());
  return FindLive(person, domain, ids);
}

absl::Status MemoryChunkIndex::MarkLost(const PackId& pack,
                                        std::span<const std::uint64_t> numbers) {
  MOORING_STATEMENT(tx_);
  const std::int64_t* const pack_no = t_.pack_id.Get(tx_, pack);
  if (pack_no == nullptr) return absl::OkStatus();
  return ChangeRows(
             numbers,
             [no = *pack_no](const IndexedChunk& row) {
               return row.pack_no == no && IsLiveOrCondemned(row);
             },
             [](IndexedChunk& row) { Revive(row, ChunkState::kLost); })
      .status();
}

absl::StatusOr<std::uint64_t> MemoryChunkIndex::Condemn(std::span<const std::uint64_t> numbers,
                                                        std::uint64_t generation, absl::Time at) {
  MOORING_STATEMENT(tx_);
  return ChangeRows(
      numbers, [](const IndexedChunk& row) { return row.state == ChunkState::kLive; },
      [&](IndexedChunk& row) {
        row.state = ChunkState::kCondemned;
        row.condemned_at = at;
        row.condemned_generation = generation;
      });
}

absl::StatusOr<std::uint64_t> MemoryChunkIndex::Doom(std::span<const std::uint64_t> numbers) {
  MOORING_STATEMENT(tx_);
  return ChangeRows(
      numbers,
      [](const IndexedChunk& row) {
        return row.state == ChunkState::kCondemned || row.state == ChunkState::kLost;
      },
      [](IndexedChunk& row) { row.state = ChunkState::kDoomed; });
}

absl::StatusOr<std::vector<storage::ChunkRow>> MemoryChunkIndex::Scan(std::uint64_t after,
                                                                      int limit) {
  MOORING_STATEMENT(tx_);
  std::vector<storage::ChunkRow> rows;
  t_.chunk.ForEachFrom(tx_, after + 1, [&](std::uint64_t no, const IndexedChunk& chunk) {
    if (static_cast<int>(rows.size()) >= limit) return false;
    rows.push_back(RowOf(no, chunk));
    return true;
  });
  return rows;
}

absl::StatusOr<std::vector<storage::ChunkRow>> MemoryChunkIndex::ListNotLive(ChunkState state,
                                                                             std::uint64_t after,
                                                                             int limit) {
  MOORING_STATEMENT(tx_);
  std::vector<storage::ChunkRow> rows;
  if (state == ChunkState::kLive) return rows;
  t_.chunk.ForEachFrom(tx_, after + 1, [&](std::uint64_t no, const IndexedChunk& chunk) {
    if (static_cast<int>(rows.size()) >= limit) return false;
    if (chunk.state == state) rows.push_back(RowOf(no, chunk));
    return true;
  });
  return rows;
}

absl::StatusOr<std::vector<ChunkLocation>> MemoryChunkIndex::ListOfPack(const PackId& pack) {
  MOORING_STATEMENT(tx_);
  std::vector<ChunkLocation> locations;
  const std::int64_t* const pack_no = t_.pack_id.Get(tx_, pack);
  if (pack_no == nullptr) return locations;
  t_.chunk.ForEach(tx_, [&](std::uint64_t no, const IndexedChunk& chunk) {
    if (chunk.pack_no == *pack_no) locations.push_back(LocationOf(no, chunk));
    return true;
  });
  std::stable_sort(
      locations.begin(), locations.end(),
      [](const ChunkLocation& a, const ChunkLocation& b) { return a.offset < b.offset; });
  return locations;
}

absl::StatusOr<storage::ChunkTotals> MemoryChunkIndex::Totals() {
  MOORING_STATEMENT(tx_);
  storage::ChunkTotals totals;
  t_.chunk.ForEach(tx_, [&](std::uint64_t, const IndexedChunk& chunk) {
    storage::ChunkTotals::Sum& sum = chunk.state == ChunkState::kLive        ? totals.live
                                     : chunk.state == ChunkState::kCondemned ? totals.condemned
                                     : chunk.state == ChunkState::kDoomed    ? totals.doomed
                                                                             : totals.lost;
    ++sum.count;
    sum.bytes += chunk.bytes;
    return true;
  });
  return totals;
}

absl::StatusOr<std::uint64_t> MemoryChunkIndex::Repoint(
    const PackId& from, const PackId& to, std::span<const storage::MovedChunk> chunks) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const std::int64_t from_no, HoldPack(from, RowLock::kShared));
  MOORING_ASSIGN_OR_RETURN(const std::int64_t to_no, HoldPack(to, RowLock::kShared));
  std::uint64_t moved = 0;
  for (const storage::MovedChunk& chunk : chunks) {
    MOORING_ASSIGN_OR_RETURN(
        const std::uint64_t changed,
        ChangeRows(
            std::span(&chunk.no, 1), [&](const IndexedChunk& row) { return MayMove(row, from_no); },
            [&](IndexedChunk& row) {
              row.pack_no = to_no;
              row.offset = chunk.offset;
            }));
    moved += changed;
  }
  return moved;
}

absl::StatusOr<storage::DeletedRows> MemoryChunkIndex::DeleteRowsOfPack(const PackId& pack) {
  MOORING_STATEMENT(tx_);
  storage::DeletedRows rows;
  if (t_.pack_id.Get(tx_, pack) == nullptr) return rows;
  MOORING_ASSIGN_OR_RETURN(const std::int64_t pack_no, HoldPack(pack, RowLock::kExclusive));
  const auto is_of_pack = [&](const IndexedChunk& row) { return row.pack_no == pack_no; };
  std::set<std::uint64_t> deleted;
  for (const std::uint64_t no : KeysOf(tx_, t_.chunk, is_of_pack)) {
    MOORING_ASSIGN_OR_RETURN(const IndexedChunk* const row,
                             t_.chunk.Lock(tx_, no, RowLock::kExclusive));
    if (row == nullptr || !is_of_pack(*row) || row->state != ChunkState::kDoomed) continue;
    MOORING_RETURN_IF_ERROR(t_.chunk_id.Erase(tx_, {row->domain_no, row->id}).status());
    MOORING_RETURN_IF_ERROR(t_.chunk.Erase(tx_, no).status());
    deleted.insert(no);
  }
  std::vector<std::pair<PersonId, std::uint64_t>> owners;
  t_.chunk_owner.ForEach(tx_, [&](const auto& key, bool) {
    if (deleted.count(key.second) > 0) owners.push_back(key);
    return true;
  });
  for (const auto& owner : owners) {
    MOORING_RETURN_IF_ERROR(t_.chunk_owner.Erase(tx_, owner).status());
  }
  rows.deleted = deleted.size();
  rows.left = CountOf(tx_, t_.chunk, is_of_pack);
  return rows;
}

}  // namespace mooring::testing
