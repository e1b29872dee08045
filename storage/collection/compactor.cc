#include "storage/collection/compactor.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/pack_store.h"
#include "storage/objects/object_layout.h"
#include "storage/pack/pack.h"
#include "storage/pack/pack_format.h"
#include "storage/repository/chunk_reader.h"
#include "storage/repository/repository.h"

namespace mooring::storage {
namespace {

// One new pack: from its row to its rows.
class Rewrite {
 public:
  Rewrite(Round& round, ChunkReader& reader)
      : round_(round),
        reader_(reader),
        parts_(round.parts()),
        pack_(PackId::Make(parts_.random)),
        writer_(parts_.pack_index_key, parts_.random, pack_, SessionId(), DeviceId(),
                parts_.clock.Now()) {}

  absl::Status Run(const OpContext& ctx, const CompactionGroup& group) {
    MOORING_RETURN_IF_ERROR(round_.Run(
        ctx, RepositoryLock::kNone, [&](Transaction& tx, CollectionState&) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(const auto there, tx.packs().Get(pack_));
          if (there) return absl::OkStatus();  // The first attempt's outcome was in doubt.
          return tx.packs().Stage(pack_, std::nullopt, parts_.clock.Now()).status();
        }));
    const absl::Status written = Write(ctx, group);
    if (!written.ok() || moved_.empty()) {
      TakeBack(ctx);
      return written;
    }
    // From here on the pack is the sweep's to judge: what an attempt in doubt left
    // is not told apart from what an older catalog has forgotten.
    return Enter(ctx);
  }

  std::uint64_t size_bytes() const { return writer_.size_bytes(); }
  bool has_moved() const { return !moved_.empty(); }

 private:
  absl::Status Write(const OpContext& ctx, const CompactionGroup& group) {
    MOORING_ASSIGN_OR_RETURN(object_, parts_.objects.NewObject(ctx, PackObjectKey(pack_)));
    const auto sink = [&](ByteView bytes) { return object_->Append(ctx, bytes); };
    MOORING_RETURN_IF_ERROR(writer_.Begin(sink));
    for (const PackUse* const pack : group.packs) MOORING_RETURN_IF_ERROR(Copy(ctx, pack->id));
    if (moved_.empty()) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(sha256_, writer_.Finish(sink));
    MOORING_RETURN_IF_ERROR(object_->Commit(ctx, absl::InfinitePast()));
    const absl::Status checked = CheckObject(ctx);
    // Whatever was read, the key is ours and the old packs stand: nothing is lost,
    // and nobody is accused.
    const bool is_wrong = absl::IsDataLoss(checked) || absl::IsPermissionDenied(checked);
    return is_wrong ? absl::UnavailableError(checked.message()) : checked;
  }

  absl::Status Copy(const OpContext& ctx, const PackId& from) {
    std::vector<ChunkLocation> chunks;
    MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(chunks, tx.chunks().ListOfPack(from));
      return absl::OkStatus();
    }));
    std::erase_if(chunks, [](const ChunkLocation& chunk) {
      return chunk.state != ChunkState::kLive && chunk.state != ChunkState::kCondemned;
    });
    const auto sink = [&](ByteView bytes) { return object_->Append(ctx, bytes); };
    return reader_.Read(
        ctx, chunks,
        [&](const ChunkLocation& chunk, ByteView sealed) -> absl::Status {
          // What came to the pack since the plan waits for another round.
          if (!writer_.has_room_for(sealed.size())) return absl::OkStatus();
          const std::uint64_t offset = writer_.size_bytes();
          MOORING_RETURN_IF_ERROR(writer_.Add(chunk.id, chunk.domain, sealed, sink));
          moved_[from].push_back({.no = chunk.no, .offset = offset});
          return absl::OkStatus();
        },
        [](const ChunkLocation&, const absl::Status&) { return absl::OkStatus(); });
  }

  // A store may say OK and have kept less, or other bytes.
  absl::Status CheckObject(const OpContext& ctx) {
    const std::string key = PackObjectKey(pack_);
    MOORING_ASSIGN_OR_RETURN(const ObjectInfo info, parts_.objects.Stat(ctx, key));
    if (info.size_bytes != writer_.size_bytes()) {
      return absl::UnavailableError(fmt::format("pack {}: the store kept {} of {} bytes",
                                                pack_.hex(), info.size_bytes,
                                                writer_.size_bytes()));
    }
    const PackReadAt read_at = [&](std::uint64_t offset, std::span<std::byte> out) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const std::size_t read,
                               parts_.objects.ReadAt(ctx, key, offset, out));
      return read == out.size() ? absl::OkStatus() : absl::DataLossError("pack: it is shorter");
    };
    MOORING_ASSIGN_OR_RETURN(const PackFooter footer,
                             ReadPackFooter(parts_.pack_index_key, info.size_bytes, read_at));
    // These are the only copies soon: each is read back.
    std::uint64_t bad = 0;
    MOORING_RETURN_IF_ERROR(
        VerifyPack(footer, info.size_bytes, read_at, [&bad](const PackEntry&) { ++bad; }));
    if (bad == 0 && footer.entries == writer_.footer().entries) return absl::OkStatus();
    return absl::UnavailableError(
        fmt::format("pack {}: the store gave back other bytes than it was given", pack_.hex()));
  }

  absl::Status Enter(const OpContext& ctx) {
    return round_.Run(
        ctx, RepositoryLock::kExclusive, [&](Transaction& tx, CollectionState&) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(const auto own, tx.packs().Get(pack_, RowLock::kExclusive));
          if (own && own->state == PackState::kLive) return absl::OkStatus();  // It was not lost.
          if (!own || own->state != PackState::kStaged) {
            return absl::FailedPreconditionError("the new pack was swept before it was done");
          }
          for (const auto& [from, chunks] : moved_) {
            MOORING_RETURN_IF_ERROR(tx.chunks().Repoint(from, pack_, chunks).status());
          }
          return tx.packs().MarkLive(pack_, writer_.size_bytes(), sha256_);
        });
  }

  // Best effort: what stays is staged, and swept once it is old. Row first: a
  // pack without a row can never go live.
  void TakeBack(const OpContext& ctx) {
    object_.reset();
    const absl::Status discarded = parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_RETURN_IF_ERROR(tx.packs().Discard(pack_));
      MOORING_ASSIGN_OR_RETURN(const auto left, tx.packs().Get(pack_));
      return left ? absl::FailedPreconditionError("it went live") : absl::OkStatus();
    });
    if (discarded.ok()) parts_.objects.Remove(ctx, PackObjectKey(pack_)).IgnoreError();
  }

  Round& round_;
  ChunkReader& reader_;
  CollectionParts& parts_;
  const PackId pack_;
  PackWriter writer_;
  std::unique_ptr<ObjectWriter> object_;
  std::map<PackId, std::vector<MovedChunk>> moved_;
  Bytes sha256_;
};

void Count(v1::ObjectFigures& figures, std::uint64_t bytes) {
  figures.set_objects(figures.objects() + 1);
  figures.set_bytes(figures.bytes() + bytes);
}

// A pack of one small chunk is mostly header and footer: it is not sparse unless
// writing it anew makes it smaller, or every round would.
bool IsSparse(const PackUse& pack, const CollectionOptions& options) {
  const std::uint64_t anew =
      kPackHeaderBytes + pack.kept_bytes() + PackFooterBytes(pack.useful_rows) + kPackTrailerBytes;
  return anew < pack.bytes && pack.kept_bytes() < pack.bytes / 100 * options.compact_below_percent;
}

}  // namespace

std::vector<CompactionGroup> PlanCompaction(const Stock& stock, const CollectionOptions& options,
                                            absl::Time now) {
  std::vector<const PackUse*> wanted;
  for (const PackUse& pack : stock.packs) {
    if (pack.state != PackState::kLive || !pack.is_there || pack.is_open) continue;
    if (pack.kept_bytes() == 0 || pack.created_at + options.pack_age_min > now) continue;
    if (IsSparse(pack, options) || pack.bytes < options.small_pack_bytes) wanted.push_back(&pack);
  }
  std::stable_sort(wanted.begin(), wanted.end(), [&](const PackUse* a, const PackUse* b) {
    return IsSparse(*a, options) != IsSparse(*b, options) ? IsSparse(*a, options)
                                                          : a->kept_bytes() < b->kept_bytes();
  });
  std::vector<CompactionGroup> groups;
  std::uint64_t total = 0;
  CompactionGroup group;
  const auto close = [&] {
    // A small pack alone would be rewritten as it is, day after day.
    const bool is_worth_it = group.packs.size() > 1 ||
                             (group.packs.size() == 1 && IsSparse(*group.packs.front(), options));
    if (is_worth_it) groups.push_back(std::move(group));
    group = {};
  };
  for (const PackUse* const pack : wanted) {
    if (total + pack->kept_bytes() > options.compact_bytes_max) break;
    if (!group.packs.empty() && group.kept_bytes + pack->kept_bytes() > kPackCloseBytes) close();
    group.packs.push_back(pack);
    group.kept_bytes += pack->kept_bytes();
    total += pack->kept_bytes();
  }
  close();
  return groups;
}

absl::Status CompactPacks(const OpContext& ctx, Round& round,
                          const std::vector<CompactionGroup>& groups) {
  CollectionParts& parts = round.parts();
  ChunkReader reader(parts.catalog, parts.objects, parts.clock);
  std::uint64_t done = 0;
  for (const CompactionGroup& group : groups) {
    Rewrite rewrite(round, reader);
    MOORING_RETURN_IF_ERROR(rewrite.Run(ctx, group));
    round.Progress("compact", ++done, groups.size());
    if (!rewrite.has_moved()) continue;
    for (const PackUse* const pack : group.packs) {
      Count(*round.report().mutable_packs_compacted(), pack->kept_bytes());
    }
    Count(*round.report().mutable_packs_made(), rewrite.size_bytes());
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
