#include "storage/collection/collection_plan.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/pack_store.h"
#include "storage/collection/compactor.h"
#include "storage/collection/condemn.h"

namespace mooring::storage {
namespace {

constexpr int kPage = 10'000;

void Count(v1::ChunkFigures& figures, std::uint64_t chunks, std::uint64_t bytes) {
  figures.set_chunks(figures.chunks() + chunks);
  figures.set_bytes(figures.bytes() + bytes);
}

void Count(v1::ObjectFigures& figures, std::uint64_t bytes) {
  figures.set_objects(figures.objects() + 1);
  figures.set_bytes(figures.bytes() + bytes);
}

absl::Status PlanCondemned(const OpContext& ctx, CollectionParts& parts, const Stock& stock,
                           v1::CollectionReport& report) {
  return stock.candidates.ForEachBatch(
      kPage, [&](const std::vector<std::uint64_t>& numbers) -> absl::Status {
        std::uint64_t bytes = 0;
        MOORING_RETURN_IF_ERROR(parts.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(bytes, tx.chunks().ReferencedBytes(numbers));
          return absl::OkStatus();
        }));
        Count(*report.mutable_condemned(), numbers.size(), bytes);
        return absl::OkStatus();
      });
}

absl::Status PlanDoomed(const OpContext& ctx, CollectionParts& parts,
                        const CollectionOptions& options, const CollectionState& state,
                        const Mark& mark, v1::CollectionReport& report) {
  std::optional<absl::Time> newest_export;
  if (parts.newest_export) {
    MOORING_ASSIGN_OR_RETURN(newest_export, parts.newest_export(ctx));
  }
  std::uint64_t after = 0;
  while (true) {
    std::vector<ChunkRow> page;
    MOORING_RETURN_IF_ERROR(parts.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(page, tx.chunks().ListNotLive(ChunkState::kCondemned, after, kPage));
      return absl::OkStatus();
    }));
    if (page.empty()) return absl::OkStatus();
    after = page.back().no;
    for (const ChunkRow& row : page) {
      // The round would first complete a mark.
      const bool is_due =
          IsDue(row, options, state.generation + 1, parts.clock.Now(), newest_export);
      if (is_due && !mark.named.Contains(row.no)) Count(*report.mutable_doomed(), 1, row.bytes);
    }
  }
}

absl::Status PlanRemoved(const OpContext& ctx, CollectionParts& parts,
                         const CollectionOptions& options, v1::CollectionReport& report) {
  std::vector<PackRecord> doomed;
  MOORING_RETURN_IF_ERROR(parts.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(doomed, tx.packs().List(PackState::kDoomed));
    return absl::OkStatus();
  }));
  for (const PackRecord& pack : doomed) {
    const bool is_due = pack.doomed_at && *pack.doomed_at + options.doomed_for <= parts.clock.Now();
    Count(is_due ? *report.mutable_packs_removed() : *report.mutable_packs_waiting(), pack.bytes);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PlanSteps(const OpContext& ctx, CollectionParts& parts,
                       const CollectionOptions& options, const CollectionState& state,
                       const Mark& mark, const Stock& stock, v1::CollectionReport& report) {
  MOORING_RETURN_IF_ERROR(PlanCondemned(ctx, parts, stock, report));
  MOORING_RETURN_IF_ERROR(PlanDoomed(ctx, parts, options, state, mark, report));
  MOORING_RETURN_IF_ERROR(PlanRemoved(ctx, parts, options, report));
  const absl::Time now = parts.clock.Now();
  for (const PackUse& pack : stock.packs) {
    if (pack.state == PackState::kLive && pack.useful_rows == 0) {
      Count(*report.mutable_packs_doomed(), pack.bytes);
    }
  }
  for (const CompactionGroup& group : PlanCompaction(stock, options, now)) {
    for (const PackUse* const pack : group.packs) {
      Count(*report.mutable_packs_compacted(), pack->kept_bytes());
    }
    Count(*report.mutable_packs_made(), group.kept_bytes);
  }
  if (mark.rowless_records > 0) return absl::OkStatus();  // No orphan is removed then.
  for (const OrphanPack& orphan : stock.orphans) {
    if (orphan.stored_at + options.orphan_age_min <= now) {
      Count(*report.mutable_orphans_removed(), orphan.bytes);
    }
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
