#include "storage/repository/chunk_reader.h"

#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/audit_detail.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::storage {
namespace {

// The chunks from `chunks` on that one read covers: same pack, ascending, with
// small gaps, and not too much in all.
std::size_t RunLength(std::span<const ChunkLocation> chunks) {
  const ChunkLocation& first = chunks.front();
  if (first.state == ChunkState::kLost) return 1;
  std::uint64_t end = first.offset + first.bytes;
  std::size_t length = 1;
  for (; length < chunks.size(); ++length) {
    const ChunkLocation& next = chunks[length];
    if (next.state == ChunkState::kLost || next.pack != first.pack) break;
    if (next.offset < end || next.offset - end > kReadGapBytesMax) break;
    if (next.offset + next.bytes - first.offset > kReadRunBytesMax) break;
    end = next.offset + next.bytes;
  }
  return length;
}

bool IsDamage(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

std::string NameOf(const ChunkLocation& chunk) {
  return fmt::format("chunk {} in pack {} at {}", chunk.id.hex(), chunk.pack.hex(), chunk.offset);
}

}  // namespace

absl::Status ChunkReader::Read(const OpContext& ctx, std::span<const ChunkLocation> chunks,
                               Sink sink) {
  return Read(ctx, chunks, sink,
              [](const ChunkLocation&, const absl::Status& damage) { return damage; });
}

absl::Status ChunkReader::Read(const OpContext& ctx, std::span<const ChunkLocation> chunks,
                               Sink sink, OnDamage on_damage) {
  Bytes buffer;
  while (!chunks.empty()) {
    const std::size_t length = RunLength(chunks);
    MOORING_RETURN_IF_ERROR(ReadRun(ctx, chunks.first(length), buffer, sink, on_damage));
    chunks = chunks.subspan(length);
  }
  return absl::OkStatus();
}

absl::Status ChunkReader::ReadRun(const OpContext& ctx, std::span<const ChunkLocation> run,
                                  Bytes& buffer, Sink sink, OnDamage on_damage) {
  const ChunkLocation& first = run.front();
  if (first.state == ChunkState::kLost) {
    return on_damage(
        first, absl::DataLossError(fmt::format("{}: lost; the device's next backup stores it again",
                                               NameOf(first))));
  }
  const std::uint64_t bytes = run.back().offset + run.back().bytes - first.offset;
  buffer.resize(bytes);
  const absl::StatusOr<std::size_t> read =
      objects_.ReadAt(ctx, PackObjectKey(first.pack), first.offset, buffer);
  if (!read.ok() && !IsDamage(read.status())) return read.status();
  const std::size_t valid = read.ok() ? *read : 0;
  // Chunks of the run that are to be read again: that overwrites the buffer.
  std::vector<const ChunkLocation*> bad;
  for (const ChunkLocation& chunk : run) {
    const std::uint64_t at = chunk.offset - first.offset;
    const bool is_good = at + chunk.bytes <= valid &&
                         ChunkIdOf(ByteView(buffer).subspan(at, chunk.bytes)) == chunk.id;
    // Order counts, so after the first bad one all the rest are read one by one.
    if (!is_good || !bad.empty()) {
      bad.push_back(&chunk);
      continue;
    }
    MOORING_RETURN_IF_ERROR(sink(chunk, ByteView(buffer).subspan(at, chunk.bytes)));
  }
  for (const ChunkLocation* chunk : bad) {
    const absl::Status again = ReadOne(ctx, *chunk, buffer);
    if (again.ok()) {
      MOORING_RETURN_IF_ERROR(sink(*chunk, buffer));
    } else if (IsDamage(again)) {
      MOORING_RETURN_IF_ERROR(ReadAgain(ctx, *chunk, again, buffer, sink, on_damage));
    } else {
      return again;
    }
  }
  return absl::OkStatus();
}

absl::Status ChunkReader::ReadOne(const OpContext& ctx, const ChunkLocation& chunk, Bytes& buffer) {
  buffer.resize(chunk.bytes);
  MOORING_ASSIGN_OR_RETURN(const std::size_t read,
                           objects_.ReadAt(ctx, PackObjectKey(chunk.pack), chunk.offset, buffer));
  if (read < buffer.size()) {
    return absl::DataLossError(fmt::format("{}: the pack ends before it does", NameOf(chunk)));
  }
  if (ChunkIdOf(buffer) != chunk.id) {
    return absl::DataLossError(fmt::format("{}: its bytes do not hash to its id", NameOf(chunk)));
  }
  return absl::OkStatus();
}

// Compaction may have moved it since its place was looked up.
absl::Status ChunkReader::ReadAgain(const OpContext& ctx, const ChunkLocation& chunk,
                                    const absl::Status& why, Bytes& buffer, Sink sink,
                                    OnDamage on_damage) {
  std::vector<ChunkLocation> now;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    const std::uint64_t number = chunk.no;
    MOORING_ASSIGN_OR_RETURN(now, tx.chunks().LocateNumbers(std::span(&number, 1)));
    return absl::OkStatus();
  }));
  absl::Status damage = why;
  const bool has_moved = !now.empty() && now.front().state != ChunkState::kLost &&
                         (now.front().pack != chunk.pack || now.front().offset != chunk.offset);
  if (has_moved) {
    damage = ReadOne(ctx, now.front(), buffer);
    if (damage.ok()) return sink(chunk, buffer);
    if (!IsDamage(damage)) return damage;
  }
  damage = absl::DataLossError(fmt::format("{}: {}", NameOf(chunk), std::string(damage.message())));
  MOORING_RETURN_IF_ERROR(MarkLost(ctx, has_moved ? now.front() : chunk, damage));
  return on_damage(chunk, damage);
}

absl::Status ChunkReader::MarkLost(const OpContext& ctx, const ChunkLocation& chunk,
                                   const absl::Status& why) {
  // A store that is not mounted has lost nothing.
  const absl::Status store = objects_.Stat(ctx, kRepositoryObjectKey).status();
  if (absl::IsNotFound(store)) {
    return absl::UnavailableError("the object store does not hold the repository; is it mounted?");
  }
  MOORING_RETURN_IF_ERROR(store);
  return catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    const std::uint64_t number = chunk.no;
    MOORING_RETURN_IF_ERROR(tx.chunks().MarkLost(chunk.pack, std::span(&number, 1)));
    return tx.Audit({.at = clock_.Now(),
                     .actor = "server",
                     .action = "chunk.lost",
                     .subject = chunk.id.hex(),
                     .detail_json = AuditDetail(
                         {{"pack", chunk.pack.hex()}, {"why", std::string(why.message())}})});
  });
}

}  // namespace mooring::storage
