#include "storage/collection/stock.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/timestamps.h"

namespace mooring::storage {
namespace {

constexpr int kPackPage = 10'000;
constexpr int kChunkPage = 50'000;

struct ListedPack {
  PackId id;
  std::uint64_t bytes = 0;
  absl::Time stored_at;
  bool has_row = false;
};

void Count(v1::ObjectFigures& figures, std::uint64_t bytes) {
  figures.set_objects(figures.objects() + 1);
  figures.set_bytes(figures.bytes() + bytes);
}

void Count(v1::ChunkFigures& figures, std::uint64_t bytes) {
  figures.set_chunks(figures.chunks() + 1);
  figures.set_bytes(figures.bytes() + bytes);
}

class StockTaker {
 public:
  StockTaker(CollectionParts& parts, const CollectionOptions& options, const Mark* mark,
             CollectionProgress progress)
      : parts_(parts), options_(options), mark_(mark), progress_(progress) {}

  // The listing comes first: what it has and the catalog lacks later is an orphan,
  // for a pack has a row before its first byte.
  absl::StatusOr<Stock> Take(const OpContext& ctx) {
    *stock_.figures.mutable_taken_at() = ToTimestamp(parts_.clock.Now());
    MOORING_RETURN_IF_ERROR(ListObjects(ctx));
    MOORING_RETURN_IF_ERROR(ScanPacks(ctx));
    MOORING_RETURN_IF_ERROR(MatchPacks(ctx));
    MOORING_RETURN_IF_ERROR(ScanChunks(ctx));
    AddUp();
    return std::move(stock_);
  }

 private:
  absl::Status ListObjects(const OpContext& ctx);
  absl::Status ScanPacks(const OpContext& ctx);
  absl::Status MatchPacks(const OpContext& ctx);
  absl::Status LookAgain(const OpContext& ctx, PackUse& pack);
  absl::Status ScanChunks(const OpContext& ctx);
  void CountRow(const ChunkRow& row);
  void Judge(const ChunkRow& row, const PackUse* pack);
  void AddUp();

  CollectionParts& parts_;
  const CollectionOptions& options_;
  const Mark* const mark_;
  CollectionProgress progress_;
  Stock stock_;
  std::vector<ListedPack> listed_;  // By id.
  std::uint64_t marked_seen_ = 0;
};

absl::Status StockTaker::ListObjects(const OpContext& ctx) {
  return parts_.objects.List(ctx, "", [this](const ObjectInfo& info) {
    v1::RepositoryStock& figures = stock_.figures;
    Count(*figures.mutable_store(), info.size_bytes);
    if (const std::optional<PackId> pack = PackOfObjectKey(info.key)) {
      listed_.push_back({.id = *pack, .bytes = info.size_bytes, .stored_at = info.stored_at});
      if (listed_.size() % kPackPage == 0) progress_("list", listed_.size(), 0);
    } else if (info.key.starts_with(kSnapshotPrefix)) {
      Count(*figures.mutable_records(), info.size_bytes);
    } else {
      Count(*figures.mutable_others(), info.size_bytes);
    }
    return absl::OkStatus();
  });
}

absl::Status StockTaker::ScanPacks(const OpContext& ctx) {
  std::int64_t after = 0;
  while (true) {
    std::vector<PackRecord> page;
    MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(page, tx.packs().Scan(after, kPackPage));
      return absl::OkStatus();
    }));
    if (page.empty()) break;
    after = page.back().no;
    for (const PackRecord& record : page) {
      PackUse& pack = stock_.packs.emplace_back();
      pack.no = record.no;
      pack.id = record.id;
      pack.state = record.state;
      pack.bytes = record.bytes;
      pack.created_at = record.created_at;
      pack.has_session = record.session.has_value();
    }
  }
  return parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const std::vector<std::int64_t> open, tx.packs().ListOfOpenSessions());
    for (const std::int64_t no : open) {
      if (PackUse* const pack = stock_.Find(no)) pack->is_open = true;
    }
    return absl::OkStatus();
  });
}

absl::Status StockTaker::MatchPacks(const OpContext& ctx) {
  v1::RepositoryStock& figures = stock_.figures;
  for (PackUse& pack : stock_.packs) {
    const auto found =
        std::lower_bound(listed_.begin(), listed_.end(), pack.id,
                         [](const ListedPack& listed, const PackId& id) { return listed.id < id; });
    const bool is_listed = found != listed_.end() && found->id == pack.id;
    if (is_listed) found->has_row = true;
    if (pack.state == PackState::kStaged) {
      if (is_listed) Count(*figures.mutable_staged(), found->bytes);
      continue;
    }
    pack.is_there = is_listed && found->bytes == pack.bytes;
    if (!is_listed) MOORING_RETURN_IF_ERROR(LookAgain(ctx, pack));
    const bool is_live = pack.state == PackState::kLive;
    if (pack.is_there) {
      Count(is_live ? *figures.mutable_live_packs() : *figures.mutable_doomed_packs(), pack.bytes);
    } else if (is_live || is_listed) {
      Count(*figures.mutable_missing_packs(), pack.bytes);
    }
    // A doomed one without an object was removed by a round that then broke off.
  }
  for (const ListedPack& listed : listed_) {
    if (listed.has_row) continue;
    stock_.orphans.push_back(
        {.id = listed.id, .bytes = listed.bytes, .stored_at = listed.stored_at});
    Count(*figures.mutable_orphans(), listed.bytes);
  }
  return absl::OkStatus();
}

// The pack came after the listing, or has gone since.
absl::Status StockTaker::LookAgain(const OpContext& ctx, PackUse& pack) {
  const absl::StatusOr<ObjectInfo> info = parts_.objects.Stat(ctx, PackObjectKey(pack.id));
  if (info.ok()) {
    pack.is_there = info->size_bytes == pack.bytes;
    if (pack.is_there) Count(*stock_.figures.mutable_store(), pack.bytes);
    return absl::OkStatus();
  }
  if (!absl::IsNotFound(info.status())) return info.status();
  return parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const std::optional<PackRecord> now, tx.packs().Get(pack.id));
    if (!now || now->state == PackState::kDoomed) pack.state = PackState::kDoomed;
    return absl::OkStatus();
  });
}

absl::Status StockTaker::ScanChunks(const OpContext& ctx) {
  std::uint64_t after = 0;
  std::uint64_t done = 0;
  while (true) {
    std::vector<ChunkRow> page;
    MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(page, tx.chunks().Scan(after, kChunkPage));
      return absl::OkStatus();
    }));
    if (page.empty()) break;
    after = page.back().no;
    done += page.size();
    for (const ChunkRow& row : page) CountRow(row);
    progress_("scan", done, 0);
  }
  if (mark_ != nullptr && stock_.violation.empty() && marked_seen_ != mark_->referenced.size()) {
    stock_.violation = fmt::format("{} chunks that snapshots reference have no row",
                                   mark_->referenced.size() - marked_seen_);
  }
  return absl::OkStatus();
}

void StockTaker::CountRow(const ChunkRow& row) {
  PackUse* const pack = stock_.Find(row.pack_no);
  if (pack != nullptr) {
    v1::RepositoryStock& figures = stock_.figures;
    const bool counts = pack->is_there;
    pack->useful_rows += row.state == ChunkState::kDoomed ? 0U : 1U;
    switch (row.state) {
      case ChunkState::kLive:
        pack->live_bytes += row.bytes;
        if (counts) Count(*figures.mutable_live(), row.bytes);
        break;
      case ChunkState::kCondemned:
        pack->condemned_bytes += row.bytes;
        if (counts) Count(*figures.mutable_condemned(), row.bytes);
        break;
      case ChunkState::kDoomed:
        pack->doomed_bytes += row.bytes;
        if (counts) Count(*figures.mutable_doomed(), row.bytes);
        break;
      case ChunkState::kLost:
        pack->lost_bytes += row.bytes;
        if (counts) Count(*figures.mutable_lost(), row.bytes);
        break;
    }
  }
  if (mark_ != nullptr) Judge(row, pack);
}

void StockTaker::Judge(const ChunkRow& row, const PackUse* pack) {
  if (mark_->referenced.Contains(row.no)) {
    ++marked_seen_;
    if (row.state == ChunkState::kLost) {
      stock_.figures.set_damaged_chunks(stock_.figures.damaged_chunks() + 1);
    } else if (row.state != ChunkState::kLive && stock_.violation.empty()) {
      stock_.violation = fmt::format("chunk number {} is referenced by a snapshot and {}", row.no,
                                     row.state == ChunkState::kDoomed ? "doomed" : "condemned");
    }
    return;
  }
  if (row.state != ChunkState::kLive || pack == nullptr || pack->is_open) return;
  if (pack->created_at + options_.pack_age_min > parts_.clock.Now()) return;
  if (!mark_->named.Contains(row.no)) stock_.candidates.Add(row.no);
}

void StockTaker::AddUp() {
  v1::RepositoryStock& figures = stock_.figures;
  std::uint64_t overhead = 0;
  bool is_good = figures.missing_packs().objects() == 0;
  for (const PackUse& pack : stock_.packs) {
    if (!pack.is_there) continue;
    if (pack.row_bytes() > pack.bytes) {
      is_good = false;  // More chunks than the pack can hold.
    } else {
      overhead += pack.bytes - pack.row_bytes();
    }
  }
  figures.set_pack_overhead_bytes(overhead);
  const std::uint64_t sum = figures.live().bytes() + figures.condemned().bytes() +
                            figures.doomed().bytes() + figures.lost().bytes() + overhead +
                            figures.staged().bytes() + figures.orphans().bytes() +
                            figures.records().bytes() + figures.others().bytes();
  figures.set_adds_up(is_good && sum == figures.store().bytes());
}

}  // namespace

PackUse* Stock::Find(std::int64_t no) {
  const auto found =
      std::lower_bound(packs.begin(), packs.end(), no,
                       [](const PackUse& pack, std::int64_t number) { return pack.no < number; });
  return found != packs.end() && found->no == no ? &*found : nullptr;
}

absl::StatusOr<Stock> TakeStock(const OpContext& ctx, CollectionParts& parts,
                                const CollectionOptions& options, const Mark* mark,
                                CollectionProgress progress) {
  return StockTaker(parts, options, mark, progress).Take(ctx);
}

}  // namespace mooring::storage
