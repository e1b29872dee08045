#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

using storage::CareState;
using storage::CareTotals;
using storage::ChunkLocation;
using storage::ChunkState;
using storage::Finding;
using storage::FindingKind;
using storage::PackRecord;
using storage::PackState;
using storage::RowLock;

class MemoryCareStore final : public storage::CareStore {
 public:
  MemoryCareStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::StatusOr<std::vector<PackRecord>> NextToScrub(absl::Time before, int limit) override;
  absl::Status MarkScrubbed(const PackId& pack, std::optional<absl::Time> at) override;
  absl::StatusOr<std::vector<ChunkLocation>> ChunksOfPack(const PackId& pack) override;
  absl::StatusOr<std::uint64_t> MarkLost(const PackId& pack,
                                         std::span<const std::uint64_t> numbers) override;
  absl::StatusOr<storage::MoveOutcome> Move(const PackId& from, const PackId& to,
                                            std::span<const storage::NewPlace> chunks) override;
  absl::StatusOr<std::vector<ChunkLocation>> LostChunks(std::uint64_t after, int limit) override;
  absl::StatusOr<storage::LostTotals> CountLost() override;
  absl::StatusOr<std::vector<storage::LiveSnapshotRefs>> SnapshotsAfter(const SnapshotId& after,
                                                                        int limit) override;
  absl::Status SetDamaged(const SnapshotId& snapshot, std::uint64_t chunks) override;
  absl::StatusOr<std::vector<PackRecord>> NextToReplicate(std::int64_t after, int limit) override;
  absl::Status MarkReplicated(const PackId& pack, std::optional<absl::Time> at) override;
  absl::Status Report(FindingKind kind, std::string_view subject, std::string_view message,
                      absl::Time at) override;
  absl::Status Resolve(FindingKind kind, std::string_view subject, std::string_view resolution,
                       absl::Time at) override;
  absl::StatusOr<std::vector<Finding>> Findings(bool with_resolved, int limit) override;
  absl::StatusOr<CareTotals> Totals() override;
  absl::StatusOr<CareState> State(RowLock lock) override;
  absl::Status SetState(const CareState& state) override;

 private:
  // Each is a statement of its own, as in PostgreSQL's store.
  absl::StatusOr<std::vector<PackRecord>> Unscrubbed(int limit);
  absl::StatusOr<std::int64_t> NumberOf(const PackId& pack);

  ChunkLocation LocationOf(std::uint64_t no, const IndexedChunk& row) const;
  void CountPack(const PackRow& pack, CareTotals& totals) const;
  template <typename Change>
  absl::Status ChangePack(const PackId& id, Change change);

  MemoryTx& tx_;
  Tables& t_;
};

absl::StatusOr<std::vector<PackRecord>> MemoryCareStore::Unscrubbed(int limit) {
  MOORING_STATEMENT(tx_);
  std::vector<PackRecord> packs;
  t_.pack.ForEach(tx_, [&](std::int64_t, const PackRow& pack) {
    if (pack.state == PackState::kLive && !pack.scrubbed_at) packs.push_back(pack);
    return true;
  });
  std::reverse(packs.begin(), packs.end());
  packs.resize(std::min(packs.size(), static_cast<std::size_t>(limit)));
  return packs;
}

absl::StatusOr<std::vector<PackRecord>> MemoryCareStore::NextToScrub(absl::Time before, int limit) {
  MOORING_ASSIGN_OR_RETURN(std::vector<PackRecord> unscrubbed, Unscrubbed(limit));
  if (!unscrubbed.empty()) return unscrubbed;
  MOORING_STATEMENT(tx_);
  std::map<std::pair<absl::Time, std::int64_t>, PackRecord> sorted;
  t_.pack.ForEach(tx_, [&](std::int64_t no, const PackRow& pack) {
    if (pack.state == PackState::kLive && pack.scrubbed_at && *pack.scrubbed_at < before) {
      sorted.emplace(std::pair(*pack.scrubbed_at, no), pack);
    }
    return true;
  });
  std::vector<PackRecord> packs;
  for (const auto& [key, pack] : sorted) {
    if (static_cast<int>(packs.size()) >= limit) break;
    packs.push_back(pack);
  }
  return packs;
}

template <typename Change>
absl::Status MemoryCareStore::ChangePack(const PackId& id, Change change) {
  const std::int64_t* const no = t_.pack_id.Get(tx_, id);
  if (no == nullptr) return absl::OkStatus();
  return t_.pack.LockAndUpdate(tx_, std::int64_t{*no}, change).status();
}

absl::Status MemoryCareStore::MarkScrubbed(const PackId& pack, std::optional<absl::Time> at) {
  MOORING_STATEMENT(tx_);
  return ChangePack(pack, [&](PackRow& row) { row.scrubbed_at = at; });
}

absl::Status MemoryCareStore::MarkReplicated(const PackId& pack, std::optional<absl::Time> at) {
  MOORING_STATEMENT(tx_);
  return ChangePack(pack, [&](PackRow& row) { row.replicated_at = at; });
}

ChunkLocation MemoryCareStore::LocationOf(std::uint64_t no, const IndexedChunk& row) const {
  return {no,         t_.domain.Get(tx_, row.domain_no)->id,
          row.id,     t_.pack.Get(tx_, row.pack_no)->id,
          row.offset, row.bytes,
          row.state};
}

absl::StatusOr<std::vector<ChunkLocation>> MemoryCareStore::ChunksOfPack(const PackId& pack) {
  MOORING_STATEMENT(tx_);
  std::vector<ChunkLocation> chunks;
  const std::int64_t* const pack_no = t_.pack_id.Get(tx_, pack);
  if (pack_no == nullptr) return chunks;
  t_.chunk.ForEach(tx_, [&](std::uint64_t no, const IndexedChunk& row) {
    if (row.pack_no == *pack_no) chunks.push_back(LocationOf(no, row));
    return true;
  });
  std::stable_sort(
      chunks.begin(), chunks.end(),
      [](const ChunkLocation& a, const ChunkLocation& b) { return a.offset < b.offset; });
  return chunks;
}

absl::StatusOr<std::uint64_t> MemoryCareStore::MarkLost(const PackId& pack,
                                                        std::span<const std::uint64_t> numbers) {
  MOORING_STATEMENT(tx_);
  const std::int64_t* const found = t_.pack_id.Get(tx_, pack);
  if (found == nullptr) return 0;
  const std::int64_t pack_no = *found;
  std::uint64_t marked = 0;
  for (const std::uint64_t no : std::set<std::uint64_t>(numbers.begin(), numbers.end())) {
    MOORING_ASSIGN_OR_RETURN(const IndexedChunk* const row,
                             t_.chunk.Lock(tx_, no, RowLock::kExclusive));
    if (row == nullptr || row->pack_no != pack_no ||
        (row->state != ChunkState::kLive && row->state != ChunkState::kCondemned)) {
      continue;
    }
    t_.chunk.Update(tx_, no, [](IndexedChunk& chunk) {
      chunk.state = ChunkState::kLost;
      chunk.condemned_at.reset();
      chunk.condemned_generation.reset();
    });
    ++marked;
  }
  return marked;
}

absl::StatusOr<std::int64_t> MemoryCareStore::NumberOf(const PackId& pack) {
  MOORING_STATEMENT(tx_);
  const std::int64_t* const no = t_.pack_id.Get(tx_, pack);
  if (no == nullptr) return absl::NotFoundError("no such pack");
  return *no;
}

absl::StatusOr<storage::MoveOutcome> MemoryCareStore::Move(
    const PackId& from, const PackId& to, std::span<const storage::NewPlace> chunks) {
  MOORING_ASSIGN_OR_RETURN(const std::int64_t from_no, NumberOf(from));
  MOORING_ASSIGN_OR_RETURN(const std::int64_t to_no, NumberOf(to));
  MOORING_STATEMENT(tx_);
  std::map<std::uint64_t, std::uint64_t> places;
  for (const storage::NewPlace& chunk : chunks) places.emplace(chunk.no, chunk.offset);
  storage::MoveOutcome outcome;
  for (const auto& [no, offset] : places) {
    MOORING_ASSIGN_OR_RETURN(const IndexedChunk* const row,
                             t_.chunk.Lock(tx_, no, RowLock::kExclusive));
    if (row == nullptr || row->pack_no != from_no || row->state == ChunkState::kDoomed) continue;
    ++outcome.moved;
    if (row->state == ChunkState::kLost) ++outcome.healed;
    t_.chunk.Update(tx_, no, [&, at = offset](IndexedChunk& chunk) {
      chunk.pack_no = to_no;
      chunk.offset = at;
      if (chunk.state == ChunkState::kLost) chunk.state = ChunkState::kLive;
    });
  }
  return outcome;
}

absl::StatusOr<std::vector<ChunkLocation>> MemoryCareStore::LostChunks(std::uint64_t after,
                                                                       int limit) {
  MOORING_STATEMENT(tx_);
  std::vector<ChunkLocation> lost;
  t_.chunk.ForEachFrom(tx_, after + 1, [&](std::uint64_t no, const IndexedChunk& row) {
    if (static_cast<int>(lost.size()) >= limit) return false;
    if (row.state == ChunkState::kLost) lost.push_back(LocationOf(no, row));
    return true;
  });
  return lost;
}

absl::StatusOr<storage::LostTotals> MemoryCareStore::CountLost() {
  MOORING_STATEMENT(tx_);
  storage::LostTotals totals;
  t_.chunk.ForEach(tx_, [&](std::uint64_t no, const IndexedChunk& row) {
    if (row.state != ChunkState::kLost) return true;
    ++totals.count;
    totals.sum += no;
    return true;
  });
  return totals;
}

absl::StatusOr<std::vector<storage::LiveSnapshotRefs>> MemoryCareStore::SnapshotsAfter(
    const SnapshotId& after, int limit) {
  MOORING_STATEMENT(tx_);
  std::vector<storage::LiveSnapshotRefs> snapshots;
  t_.snapshot.ForEachFrom(tx_, after, [&](const SnapshotId& id, const SnapshotRow& row) {
    if (static_cast<int>(snapshots.size()) >= limit) return false;
    if (id != after && !row.record.deleted_at) {
      snapshots.push_back({id, row.content->refs, row.record.damaged_chunks});
    }
    return true;
  });
  return snapshots;
}

absl::Status MemoryCareStore::SetDamaged(const SnapshotId& snapshot, std::uint64_t chunks) {
  MOORING_STATEMENT(tx_);
  const SnapshotRow* const row = t_.snapshot.Get(tx_, snapshot);
  if (row == nullptr || row->record.damaged_chunks == chunks) return absl::OkStatus();
  return t_.snapshot
      .LockAndUpdate(tx_, snapshot,
                     [&](SnapshotRow& changed) { changed.record.damaged_chunks = chunks; })
      .status();
}

absl::StatusOr<std::vector<PackRecord>> MemoryCareStore::NextToReplicate(std::int64_t after,
                                                                         int limit) {
  MOORING_STATEMENT(tx_);
  std::vector<PackRecord> packs;
  t_.pack.ForEachFrom(tx_, after + 1, [&](std::int64_t, const PackRow& pack) {
    if (static_cast<int>(packs.size()) >= limit) return false;
    if (pack.state == PackState::kLive && !pack.replicated_at) packs.push_back(pack);
    return true;
  });
  return packs;
}

absl::Status MemoryCareStore::Report(FindingKind kind, std::string_view subject,
                                     std::string_view message, absl::Time at) {
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(tx_.CheckTexts({subject, message}));
  const std::pair key(kind, std::string(subject));
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const bool is_open, t_.finding_open.IsTaken(tx_, key));
    if (!is_open) break;
    const std::int64_t no = *t_.finding_open.Get(tx_, key);
    MOORING_ASSIGN_OR_RETURN(const bool done, t_.finding.LockAndUpdate(tx_, no, [&](Finding& row) {
      row.message = message;
    }));
    if (done && t_.finding_open.Get(tx_, key) != nullptr) return absl::OkStatus();
  }
  Finding row;
  row.no = t_.finding_no.Next();
  row.kind = kind;
  row.subject = subject;
  row.message = message;
  row.found_at = at;
  MOORING_RETURN_IF_ERROR(t_.finding_open.Insert(tx_, key, row.no).status());
  return t_.finding.Insert(tx_, row.no, row).status();
}

absl::Status MemoryCareStore::Resolve(FindingKind kind, std::string_view subject,
                                      std::string_view resolution, absl::Time at) {
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(tx_.CheckTexts({resolution}));
  const std::pair key(kind, std::string(subject));
  const std::int64_t* const found = t_.finding_open.Get(tx_, key);
  if (found == nullptr) return absl::OkStatus();
  const std::int64_t no = *found;
  MOORING_ASSIGN_OR_RETURN(const bool was_open, t_.finding_open.Erase(tx_, key));
  if (!was_open) return absl::OkStatus();
  return t_.finding
      .LockAndUpdate(tx_, no,
                     [&](Finding& row) {
                       row.resolved_at = at;
                       row.resolution = resolution;
                     })
      .status();
}

absl::StatusOr<std::vector<Finding>> MemoryCareStore::Findings(bool with_resolved, int limit) {
  MOORING_STATEMENT(tx_);
  std::vector<Finding> findings =
      Rows(tx_, t_.finding, [&](const Finding& row) { return with_resolved || !row.resolved_at; });
  std::reverse(findings.begin(), findings.end());
  if (static_cast<int>(findings.size()) > limit) findings.resize(static_cast<std::size_t>(limit));
  return findings;
}

void MemoryCareStore::CountPack(const PackRow& pack, CareTotals& totals) const {
  const auto earlier = [&](std::optional<absl::Time>& oldest, absl::Time at) {
    oldest = std::min(oldest.value_or(at), at);
  };
  ++totals.packs;
  if (pack.scrubbed_at) {
    earlier(totals.oldest_scrub_at, *pack.scrubbed_at);
  } else {
    ++totals.packs_unscrubbed;
    earlier(totals.oldest_unscrubbed_at, pack.created_at);
  }
  if (!pack.replicated_at) {
    ++totals.packs_unreplicated;
    totals.bytes_unreplicated += pack.bytes;
    earlier(totals.oldest_unreplicated_at, pack.created_at);
  }
}

absl::StatusOr<CareTotals> MemoryCareStore::Totals() {
  MOORING_STATEMENT(tx_);
  CareTotals totals;
  t_.pack.ForEach(tx_, [&](std::int64_t, const PackRow& pack) {
    if (pack.state == PackState::kLive) CountPack(pack, totals);
    return true;
  });
  totals.lost_chunks = CountOf(
      tx_, t_.chunk, [](const IndexedChunk& row) { return row.state == ChunkState::kLost; });
  totals.damaged_snapshots = CountOf(tx_, t_.snapshot, [](const SnapshotRow& row) {
    return row.record.damaged_chunks > 0 && !row.record.deleted_at;
  });
  totals.open_findings =
      CountOf(tx_, t_.finding, [](const Finding& row) { return !row.resolved_at; });
  return totals;
}

absl::StatusOr<CareState> MemoryCareStore::State(RowLock lock) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const CareState* const row, t_.care_state.Lock(tx_, Tables::kOne, lock));
  return row == nullptr ? CareState() : *row;
}

absl::Status MemoryCareStore::SetState(const CareState& state) {
  MOORING_STATEMENT(tx_);
  return t_.care_state.LockAndUpdate(tx_, Tables::kOne, [&](CareState& row) { row = state; })
      .status();
}

}  // namespace

std::unique_ptr<storage::CareStore> MakeMemoryCareStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryCareStore>(tx, t);
}

}  // namespace mooring::testing
