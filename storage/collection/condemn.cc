#include "storage/collection/condemn.h"

#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/pack_store.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kBatch = 10'000;

void Count(v1::ChunkFigures& figures, std::uint64_t chunks, std::uint64_t bytes) {
  figures.set_chunks(figures.chunks() + chunks);
  figures.set_bytes(figures.bytes() + bytes);
}

// One transaction's worth of dooming.
struct DoomBatch {
  std::uint64_t after = 0;
  bool is_last = false;
  std::vector<ChunkRow> rows = {};  // That were doomed.
  std::string violation = {};
};

class Doomer {
 public:
  Doomer(Round& round, const Mark& mark, Stock& stock)
      : round_(round), mark_(mark), stock_(stock) {}

  absl::Status Run(const OpContext& ctx) {
    if (round_.parts().newest_export) {
      MOORING_ASSIGN_OR_RETURN(newest_export_, round_.parts().newest_export(ctx));
    }
    MOORING_RETURN_IF_ERROR(DoomChunks(ctx, ChunkState::kCondemned));
    MOORING_RETURN_IF_ERROR(DoomChunks(ctx, ChunkState::kLost));
    return DoomPacks(ctx);
  }

 private:
  absl::Status DoomChunks(const OpContext& ctx, ChunkState from) {
    DoomBatch batch;
    while (!batch.is_last) {
      const std::uint64_t after = batch.after;
      const absl::Status doomed = round_.Run(
          ctx, RepositoryLock::kExclusive, [&](Transaction& tx, CollectionState&) -> absl::Status {
            batch = DoomBatch();
            batch.after = after;
            return DoomSome(tx, from, batch);
          });
      if (!batch.violation.empty()) return round_.Stop(ctx, batch.violation);
      MOORING_RETURN_IF_ERROR(doomed);
      for (const ChunkRow& row : batch.rows) {
        Count(*round_.report().mutable_doomed(), 1, row.bytes);
        PackUse* const pack = stock_.Find(row.pack_no);
        if (pack != nullptr && pack->useful_rows > 0) --pack->useful_rows;
      }
      round_.Progress("doom", batch.after, 0);
    }
    return absl::OkStatus();
  }

  absl::Status DoomSome(Transaction& tx, ChunkState from, DoomBatch& batch) {
    MOORING_ASSIGN_OR_RETURN(const std::vector<ChunkRow> rows,
                             tx.chunks().ListNotLive(from, batch.after, static_cast<int>(kBatch)));
    batch.is_last = rows.size() < kBatch;
    if (rows.empty()) return absl::OkStatus();
    batch.after = rows.back().no;
    MOORING_ASSIGN_OR_RETURN(const ChunkSet newer, ReadNewerRefs(tx, round_.mark_no()));
    std::vector<std::uint64_t> numbers;
    for (const ChunkRow& row : rows) {
      const bool is_referenced = mark_.referenced.Contains(row.no) || newer.Contains(row.no);
      if (mark_.named.Contains(row.no)) continue;
      if (from == ChunkState::kLost) {
        if (is_referenced) continue;  // Damage, which the next backup may heal.
      } else {
        if (!IsDue(row, round_.options(), round_.generation(), round_.now(), newest_export_)) {
          continue;
        }
        if (is_referenced) {
          batch.violation =
              fmt::format("chunk number {} was to be doomed and is referenced", row.no);
          return absl::DataLossError(batch.violation);
        }
      }
      numbers.push_back(row.no);
      batch.rows.push_back(row);
    }
    return tx.chunks().Doom(numbers).status();
  }

  absl::Status DoomPacks(const OpContext& ctx) {
    std::vector<std::int64_t> empty;
    const auto doom = [&]() -> absl::Status {
      std::vector<PackRecord> doomed;
      MOORING_RETURN_IF_ERROR(round_.Run(
          ctx, RepositoryLock::kExclusive, [&](Transaction& tx, CollectionState&) -> absl::Status {
            MOORING_ASSIGN_OR_RETURN(
                doomed, tx.packs().DoomEmpty(empty, round_.generation(), round_.now()));
            return absl::OkStatus();
          }));
      empty.clear();
      v1::ObjectFigures& figures = *round_.report().mutable_packs_doomed();
      for (const PackRecord& pack : doomed) {
        figures.set_objects(figures.objects() + 1);
        figures.set_bytes(figures.bytes() + pack.bytes);
        if (PackUse* const use = stock_.Find(pack.no)) use->state = PackState::kDoomed;
      }
      return absl::OkStatus();
    };
    for (const PackUse& pack : stock_.packs) {
      if (pack.state == PackState::kLive && pack.useful_rows == 0) empty.push_back(pack.no);
      if (empty.size() >= kBatch) MOORING_RETURN_IF_ERROR(doom());
    }
    return empty.empty() ? absl::OkStatus() : doom();
  }

  Round& round_;
  const Mark& mark_;
  Stock& stock_;
  std::optional<absl::Time> newest_export_;
};

}  // namespace

bool IsDue(const ChunkRow& row, const CollectionOptions& options, std::uint64_t generation,
           absl::Time now, std::optional<absl::Time> newest_export) {
  if (!row.condemned_at || !row.condemned_generation) return false;
  if (*row.condemned_at + options.condemned_for > now) return false;
  if (generation < *row.condemned_generation + options.marks_min) return false;
  return !newest_export || *newest_export > *row.condemned_at;
}

absl::Status CondemnCandidates(const OpContext& ctx, Round& round, const Stock& stock) {
  std::uint64_t done = 0;
  return stock.candidates.ForEachBatch(
      kBatch, [&](const std::vector<std::uint64_t>& batch) -> absl::Status {
        std::uint64_t changed = 0;
        std::uint64_t bytes = 0;
        MOORING_RETURN_IF_ERROR(round.Run(
            ctx, RepositoryLock::kExclusive,
            [&](Transaction& tx, CollectionState&) -> absl::Status {
              MOORING_ASSIGN_OR_RETURN(const ChunkSet newer, ReadNewerRefs(tx, round.mark_no()));
              MOORING_ASSIGN_OR_RETURN(const ChunkSet touched, ReadOpenTouches(tx));
              std::vector<std::uint64_t> unreferenced;
              for (const std::uint64_t no : batch) {
                if (!newer.Contains(no) && !touched.Contains(no)) unreferenced.push_back(no);
              }
              MOORING_ASSIGN_OR_RETURN(
                  changed, tx.chunks().Condemn(unreferenced, round.generation(), round.now()));
              MOORING_ASSIGN_OR_RETURN(bytes, tx.chunks().ReferencedBytes(unreferenced));
              return absl::OkStatus();
            }));
        Count(*round.report().mutable_condemned(), changed, bytes);
        done += batch.size();
        round.Progress("condemn", done, stock.candidates.size());
        return absl::OkStatus();
      });
}

absl::Status DoomCondemned(const OpContext& ctx, Round& round, const Mark& mark, Stock& stock) {
  return Doomer(round, mark, stock).Run(ctx);
}

}  // namespace mooring::storage
