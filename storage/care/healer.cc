#include "storage/care/healer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/care/pack_check.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/pack_store.h"
#include "storage/objects/object_layout.h"
#include "storage/pack/pack.h"
#include "storage/repository/audit_detail.h"

namespace mooring::storage {
namespace {

constexpr int kAttemptsMax = 3;
constexpr int kLostBatch = 4096;

bool IsDamage(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

}  // namespace

// One pack in the making; opened when the first good chunk is found.
struct Healer::NewPack {
  PackId id;
  std::optional<PackWriter> writer;
  std::unique_ptr<ObjectWriter> object;
  std::vector<NewPlace> moved;
  bool is_durable = false;
};

absl::StatusOr<HealOutcome> Healer::Heal(const OpContext& ctx, const PackId& from,
                                         const std::vector<ChunkLocation>& chunks,
                                         const std::string& why) {
  HealOutcome outcome;
  NewPack pack;
  std::vector<ChunkLocation> lost;
  Bytes buffer;
  const auto run = [&]() -> absl::Status {
    for (const ChunkLocation& chunk : chunks) {
      absl::Status read = ReadVerified(ctx, parts_.objects, chunk, buffer);
      if (IsDamage(read) && parts_.replica != nullptr &&
          ReadVerified(ctx, *parts_.replica, chunk, buffer).ok()) {
        read = absl::OkStatus();
        ++outcome.from_replica;
      }
      // A replica that is away has no copy now: a lost chunk is looked for again.
      MOORING_RETURN_IF_ERROR(CheckContext(ctx, parts_.clock));
      if (IsDamage(read)) {
        lost.push_back(chunk);
        continue;
      }
      MOORING_RETURN_IF_ERROR(read);
      MOORING_RETURN_IF_ERROR(Take(ctx, chunk, buffer, pack));
    }
    if (!lost.empty()) MOORING_RETURN_IF_ERROR(CheckStoreIsThere(ctx, parts_.objects));
    if (pack.writer) MOORING_RETURN_IF_ERROR(Finish(ctx, from, why, pack, outcome));
    return lost.empty() ? absl::OkStatus() : Lose(ctx, from, lost, why, outcome);
  };
  const absl::Status done = run();
  if (!done.ok()) {
    Discard(ctx, pack);
    return done;
  }
  return outcome;
}

absl::Status Healer::Take(const OpContext& ctx, const ChunkLocation& chunk, ByteView sealed,
                          NewPack& pack) {
  const auto sink = [&](ByteView bytes) { return pack.object->Append(ctx, bytes); };
  if (!pack.writer) {
    MOORING_RETURN_IF_ERROR(Stage(ctx, pack));
    MOORING_RETURN_IF_ERROR(pack.writer->Begin(sink));
  }
  // What fitted into one pack fits into one pack again.
  MOORING_RETURN_IF_ERROR(pack.writer->Add(chunk.id, chunk.domain, sealed, sink));
  pack.moved.push_back({.no = chunk.no, .offset = pack.writer->footer().entries.back().offset});
  return absl::OkStatus();
}

absl::Status Healer::Stage(const OpContext& ctx, NewPack& pack) {
  pack.id = PackId::Make(parts_.random);
  const absl::Time now = parts_.clock.Now();
  // Of no session, so that no session's end sweeps it.
  MOORING_RETURN_IF_ERROR(parts_.catalog.Run(
      ctx, [&](Transaction& tx) { return tx.packs().Stage(pack.id, std::nullopt, now).status(); }));
  MOORING_ASSIGN_OR_RETURN(pack.object, parts_.objects.NewObject(ctx, PackObjectKey(pack.id)));
  pack.writer.emplace(parts_.pack_index_key, parts_.random, pack.id, SessionId(), DeviceId(), now);
  return absl::OkStatus();
}

absl::Status Healer::Finish(const OpContext& ctx, const PackId& from, const std::string& why,
                            NewPack& pack, HealOutcome& outcome) {
  MOORING_ASSIGN_OR_RETURN(const Bytes sha256, pack.writer->Finish([&](ByteView bytes) {
    return pack.object->Append(ctx, bytes);
  }));
  MOORING_RETURN_IF_ERROR(pack.object->Commit(ctx, absl::InfinitePast()));
  pack.is_durable = true;
  const std::uint64_t bytes = pack.writer->size_bytes();
  // A store may say OK and hold something else: its bodies are what the ids say
  // as far as the footer can tell, and the next scrub reads new packs first.
  MOORING_ASSIGN_OR_RETURN(const ObjectInfo info, parts_.objects.Stat(ctx, PackObjectKey(pack.id)));
  const absl::StatusOr<PackFooter> footer =
      ReadFooterOf(ctx, parts_.objects, parts_.pack_index_key, pack.id, info.size_bytes);
  if (info.size_bytes != bytes || !footer.ok()) {
    return absl::UnavailableError(
        fmt::format("pack {}: the store did not keep what it was given", pack.id.hex()));
  }
  const auto repoint = [&](Transaction& tx) -> absl::Status {
    // Against commits and the collector, whose transactions judge these rows.
    MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
    MOORING_ASSIGN_OR_RETURN(const std::optional<PackRecord> row, tx.packs().Get(pack.id));
    if (!row) return absl::AbortedError("the healed pack was swept meanwhile");
    if (row->state == PackState::kLive) return absl::OkStatus();  // The answer was lost, no more.
    MOORING_ASSIGN_OR_RETURN(const MoveOutcome moved, tx.care().Move(from, pack.id, pack.moved));
    outcome.healed = moved.moved;
    outcome.revived = moved.healed;
    MOORING_RETURN_IF_ERROR(tx.packs().MarkLive(pack.id, bytes, sha256));
    return tx.Audit(
        {.at = parts_.clock.Now(),
         .actor = "server",
         .action = "pack.heal",
         .subject = from.hex(),
         .detail_json = AuditDetail({{"into", pack.id.hex()},
                                     {"chunks", fmt::format("{}", moved.moved)},
                                     {"from_replica", fmt::format("{}", outcome.from_replica)},
                                     {"why", why}})});
  };
  absl::Status moved = parts_.catalog.Run(ctx, repoint);
  for (int i = 1; i < kAttemptsMax && absl::IsUnknown(moved); ++i) {
    moved = parts_.catalog.Run(ctx, repoint);
  }
  return moved;
}

absl::Status Healer::Lose(const OpContext& ctx, const PackId& from,
                          const std::vector<ChunkLocation>& chunks, const std::string& why,
                          HealOutcome& outcome) {
  std::vector<std::uint64_t> numbers;
  for (const ChunkLocation& chunk : chunks) {
    if (chunk.state != ChunkState::kLost) numbers.push_back(chunk.no);
  }
  if (numbers.empty()) return absl::OkStatus();
  return parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    // Beside a commit that counts on these rows one of the two must see the other.
    MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
    MOORING_ASSIGN_OR_RETURN(outcome.lost, tx.care().MarkLost(from, numbers));
    if (outcome.lost == 0) return absl::OkStatus();
    return tx.Audit(
        {.at = parts_.clock.Now(),
         .actor = "server",
         .action = "chunk.lost",
         .subject = from.hex(),
         .detail_json = AuditDetail({{"chunks", fmt::format("{}", outcome.lost)}, {"why", why}})});
  });
}

// Best effort. A row that stays is staged and of nobody, and swept by the collector.
void Healer::Discard(const OpContext& ctx, NewPack& pack) {
  if (pack.id.is_none()) return;
  pack.object.reset();
  bool is_staged = false;
  const absl::Status looked = parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    // Whatever of ours is still going on is over once the lock is ours.
    MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
    MOORING_ASSIGN_OR_RETURN(const std::optional<PackRecord> row, tx.packs().Get(pack.id));
    is_staged = row && row->state == PackState::kStaged;
    return absl::OkStatus();
  });
  if (!looked.ok() || !is_staged) return;
  if (!parts_.objects.Remove(ctx, PackObjectKey(pack.id)).ok()) return;
  parts_.catalog.Run(ctx, [&](Transaction& tx) { return tx.packs().Discard(pack.id); })
      .IgnoreError();
}

absl::StatusOr<HealOutcome> Healer::HealLost(const OpContext& ctx) {
  HealOutcome total;
  std::uint64_t after = 0;
  while (true) {
    std::vector<ChunkLocation> batch;
    MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(batch, tx.care().LostChunks(after, kLostBatch));
      return absl::OkStatus();
    }));
    if (batch.empty()) return total;
    after = batch.back().no;
    std::stable_sort(
        batch.begin(), batch.end(),
        [](const ChunkLocation& a, const ChunkLocation& b) { return a.pack < b.pack; });
    for (std::size_t first = 0; first < batch.size();) {
      std::size_t end = first;
      while (end < batch.size() && batch[end].pack == batch[first].pack) ++end;
      const std::vector<ChunkLocation> chunks(batch.begin() + static_cast<std::ptrdiff_t>(first),
                                              batch.begin() + static_cast<std::ptrdiff_t>(end));
      MOORING_ASSIGN_OR_RETURN(const HealOutcome healed,
                               Heal(ctx, chunks.front().pack, chunks, "it was lost"));
      total.healed += healed.healed;
      total.from_replica += healed.from_replica;
      total.revived += healed.revived;
      first = end;
    }
  }
}

}  // namespace mooring::storage
