#include "storage/care/pack_check.h"

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/chunk_reader.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::storage {
namespace {

bool IsDamage(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

// How many of `rows` from its front on one read covers.
std::size_t RunLength(std::span<const ChunkLocation> rows) {
  std::uint64_t end = rows.front().offset + rows.front().bytes;
  std::size_t length = 1;
  for (; length < rows.size(); ++length) {
    const ChunkLocation& next = rows[length];
    if (next.offset < end || next.offset - end > kReadGapBytesMax) break;
    if (next.offset + next.bytes - rows.front().offset > kReadRunBytesMax) break;
    end = next.offset + next.bytes;
  }
  return length;
}

absl::Status CheckRun(const OpContext& ctx, ObjectStore& objects,
                      std::span<const ChunkLocation> run, Bytes& buffer, PackReport& report) {
  const ChunkLocation& first = run.front();
  buffer.resize(run.back().offset + run.back().bytes - first.offset);
  const absl::StatusOr<std::size_t> read =
      objects.ReadAt(ctx, PackObjectKey(first.pack), first.offset, buffer);
  if (!read.ok() && !IsDamage(read.status())) return read.status();
  const std::size_t valid = read.ok() ? *read : 0;
  report.bytes += valid;
  std::vector<const ChunkLocation*> doubtful;
  for (const ChunkLocation& chunk : run) {
    const std::uint64_t at = chunk.offset - first.offset;
    ++report.chunks;
    if (at + chunk.bytes > valid ||
        ChunkIdOf(ByteView(buffer).subspan(at, chunk.bytes)) != chunk.id) {
      doubtful.push_back(&chunk);
    }
  }
  for (const ChunkLocation* chunk : doubtful) {
    const absl::Status again = ReadVerified(ctx, objects, *chunk, buffer);
    if (again.ok()) continue;
    if (!IsDamage(again)) return again;
    report.bad.push_back(*chunk);
  }
  return absl::OkStatus();
}

// What rows and footer say differently; empty if nothing.
std::string CompareWithRows(const PackFooter& footer, const PackRecord& pack,
                            const std::vector<ChunkLocation>& rows) {
  if (footer.pack != pack.id) return fmt::format("it is pack {}", footer.pack.hex());
  std::map<std::uint64_t, const PackEntry*> by_offset;
  for (const PackEntry& entry : footer.entries) by_offset[entry.offset] = &entry;
  for (const ChunkLocation& row : rows) {
    const auto found = by_offset.find(row.offset);
    if (found == by_offset.end() || found->second->id != row.id ||
        found->second->bytes != row.bytes || found->second->domain != row.domain) {
      return fmt::format("its footer does not have chunk {} at {}", row.id.hex(), row.offset);
    }
  }
  return "";
}

}  // namespace

absl::Status ReadVerified(const OpContext& ctx, ObjectStore& objects, const ChunkLocation& chunk,
                          Bytes& buffer) {
  buffer.resize(chunk.bytes);
  MOORING_ASSIGN_OR_RETURN(const std::size_t read,
                           objects.ReadAt(ctx, PackObjectKey(chunk.pack), chunk.offset, buffer));
  if (read < buffer.size()) return absl::DataLossError("the pack ends before the chunk does");
  if (ChunkIdOf(buffer) != chunk.id) {
    return absl::DataLossError("the chunk's bytes do not hash to its id");
  }
  return absl::OkStatus();
}

absl::StatusOr<PackFooter> ReadFooterOf(const OpContext& ctx, ObjectStore& objects,
                                        const SecretBytes& pack_index_key, const PackId& pack,
                                        std::uint64_t size_bytes) {
  const std::string key = PackObjectKey(pack);
  return ReadPackFooter(
      pack_index_key, size_bytes,
      [&](std::uint64_t offset, std::span<std::byte> out) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const std::size_t read, objects.ReadAt(ctx, key, offset, out));
        return read == out.size() ? absl::OkStatus()
                                  : absl::DataLossError("the object is shorter than its size");
      });
}

absl::Status CheckStoreIsThere(const OpContext& ctx, ObjectStore& objects) {
  const absl::Status store = objects.Stat(ctx, kRepositoryObjectKey).status();
  if (absl::IsNotFound(store)) {
    return absl::UnavailableError("the object store does not hold the repository; is it mounted?");
  }
  return store;
}

absl::StatusOr<PackReport> CheckPack(const OpContext& ctx, ObjectStore& objects,
                                     const SecretBytes& pack_index_key, const PackRecord& pack,
                                     const std::vector<ChunkLocation>& rows, Pace& pace) {
  PackReport report;
  const absl::StatusOr<ObjectInfo> info = objects.Stat(ctx, PackObjectKey(pack.id));
  if (absl::IsNotFound(info.status())) {
    MOORING_RETURN_IF_ERROR(CheckStoreIsThere(ctx, objects));
    report.object_problem = "the object is missing";
    report.chunks = rows.size();
    report.bad = rows;
    return report;
  }
  MOORING_RETURN_IF_ERROR(info.status());
  if (info->size_bytes != pack.bytes) {
    report.object_problem =
        fmt::format("the object has {} bytes, recorded are {}", info->size_bytes, pack.bytes);
  }
  absl::StatusOr<PackFooter> footer =
      ReadFooterOf(ctx, objects, pack_index_key, pack.id, info->size_bytes);
  // What fails once may be the wire.
  if (!footer.ok()) {
    footer = ReadFooterOf(ctx, objects, pack_index_key, pack.id, info->size_bytes);
  }
  if (footer.ok()) {
    report.footer_problem = CompareWithRows(*footer, pack, rows);
  } else if (IsDamage(footer.status()) || absl::IsPermissionDenied(footer.status())) {
    report.footer_problem = std::string(footer.status().message());
  } else {
    return footer.status();
  }
  Bytes buffer;
  std::span<const ChunkLocation> rest(rows);
  while (!rest.empty()) {
    const std::size_t length = RunLength(rest);
    const std::span<const ChunkLocation> run = rest.first(length);
    MOORING_RETURN_IF_ERROR(
        pace.Take(ctx, run.back().offset + run.back().bytes - run.front().offset));
    MOORING_RETURN_IF_ERROR(CheckRun(ctx, objects, run, buffer, report));
    rest = rest.subspan(length);
  }
  if (!report.bad.empty()) MOORING_RETURN_IF_ERROR(CheckStoreIsThere(ctx, objects));
  return report;
}

}  // namespace mooring::storage
