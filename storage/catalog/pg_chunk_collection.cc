// The collector's side of the chunk index: rows that change their state or place.

#include <utility>

#include "storage/catalog/pg_chunk_index.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

// Each locks its rows in the order of the key before it changes any, and looks
// at their state again once it has the lock.
constexpr char kResurrect[] =
    "WITH held AS MATERIALIZED (SELECT c.no FROM unnest($1::bigint[]) u(no)"
    "  JOIN chunk c ON c.no = u.no WHERE c.state = 2 ORDER BY c.domain_no, c.id FOR UPDATE OF c)"
    " UPDATE chunk SET state = 1, condemned_at = NULL, condemned_generation = NULL"
    " FROM held WHERE chunk.no = held.no AND chunk.state = 2";

constexpr char kCondemn[] =
    "WITH held AS MATERIALIZED (SELECT c.no FROM unnest($1::bigint[]) u(no)"
    "  JOIN chunk c ON c.no = u.no WHERE c.state = 1 ORDER BY c.domain_no, c.id FOR UPDATE OF c)"
    " UPDATE chunk SET state = 2, condemned_at = $3::timestamptz,"
    "   condemned_generation = $2::bigint"
    " FROM held WHERE chunk.no = held.no AND chunk.state = 1";

constexpr char kDoom[] =
    "WITH held AS MATERIALIZED (SELECT c.no FROM unnest($1::bigint[]) u(no)"
    "  JOIN chunk c ON c.no = u.no WHERE c.state IN (2, 4)"
    "  ORDER BY c.domain_no, c.id FOR UPDATE OF c)"
    " UPDATE chunk SET state = 3 FROM held WHERE chunk.no = held.no AND chunk.state IN (2, 4)";

constexpr char kMarkLost[] =
    "WITH held AS MATERIALIZED (SELECT c.no, c.pack_no FROM unnest($1::bigint[]) u(no)"
    "  JOIN chunk c ON c.no = u.no JOIN pack p ON p.no = c.pack_no"
    "  WHERE c.state IN (1, 2) AND p.id = $2::bytea"
    "  ORDER BY c.domain_no, c.id FOR UPDATE OF c)"
    " UPDATE chunk SET state = 4, condemned_at = NULL, condemned_generation = NULL"
    " FROM held WHERE chunk.no = held.no AND chunk.pack_no = held.pack_no"
    "   AND chunk.state IN (1, 2)";

constexpr char kRepoint[] =
    "WITH held AS MATERIALIZED (SELECT c.no, u.pack_offset"
    "  FROM unnest($1::bigint[], $2::bigint[]) u(no, pack_offset) JOIN chunk c ON c.no = u.no"
    "  WHERE c.pack_no = $3::bigint AND c.state IN (1, 2)"
    "  ORDER BY c.domain_no, c.id FOR UPDATE OF c)"
    " UPDATE chunk SET pack_no = $4::bigint, pack_offset = held.pack_offset"
    " FROM held WHERE chunk.no = held.no AND chunk.pack_no = $3::bigint"
    "   AND chunk.state IN (1, 2)";

constexpr char kDeleteRows[] =
    "WITH held AS MATERIALIZED (SELECT c.no FROM chunk c"
    "  WHERE c.pack_no = $1 AND c.state = 3 ORDER BY c.domain_no, c.id FOR UPDATE)"
    " DELETE FROM chunk USING held WHERE chunk.no = held.no AND chunk.pack_no = $1"
    "   AND chunk.state = 3 RETURNING chunk.no";

constexpr char kRowColumns[] =
    "SELECT no, pack_no, bytes, state, condemned_at, condemned_generation FROM chunk ";

ChunkRow ReadChunkRow(SqlReader& row) {
  ChunkRow chunk;
  chunk.no = row.Uint64();
  chunk.pack_no = row.Int64();
  chunk.bytes = row.Uint32();
  chunk.state = row.Enum<ChunkState>();
  chunk.condemned_at = row.OptionalTime();
  chunk.condemned_generation = row.OptionalUint64();
  return chunk;
}

}  // namespace

absl::StatusOr<std::vector<std::optional<LiveChunk>>> PgChunkIndex::FindAndTouch(
    const PersonId& person, const DomainId& domain, std::span<const ChunkId> ids) {
  MOORING_ASSIGN_OR_RETURN(Found found, Find(person, domain, ids));
  if (found.condemned.empty()) return std::move(found.live);
  MOORING_RETURN_IF_ERROR(Change(kResurrect, found.condemned).status());
  return FindLive(person, domain, ids);
}

absl::StatusOr<std::uint64_t> PgChunkIndex::Change(const char* statement,
                                                   std::span<const std::uint64_t> numbers,
                                                   const std::vector<Bytes>& more) {
  const std::vector<std::int64_t> wanted = SignedNumbers(numbers);
  std::uint64_t changed = 0;
  const auto change = [&](std::size_t, std::span<const std::int64_t> part) -> absl::Status {
    std::vector<Bytes> params = {BinaryInt8Array(part)};
    params.insert(params.end(), more.begin(), more.end());
    MOORING_ASSIGN_OR_RETURN(const SqlResult result, sql_.ExecBinary(statement, params));
    changed += result.affected();
    return absl::OkStatus();
  };
  MOORING_RETURN_IF_ERROR(InBatches(std::span<const std::int64_t>(wanted), change));
  return changed;
}

absl::Status PgChunkIndex::MarkLost(const PackId& pack, std::span<const std::uint64_t> numbers) {
  return Change(kMarkLost, numbers, {ToBytes(pack.bytes())}).status();
}

absl::StatusOr<std::uint64_t> PgChunkIndex::Condemn(std::span<const std::uint64_t> numbers,
                                                    std::uint64_t generation, absl::Time at) {
  return Change(kCondemn, numbers,
                {BinaryInt8(static_cast<std::int64_t>(generation)), BinaryTime(at)});
}

absl::StatusOr<std::uint64_t> PgChunkIndex::Doom(std::span<const std::uint64_t> numbers) {
  return Change(kDoom, numbers);
}

absl::StatusOr<std::vector<ChunkRow>> PgChunkIndex::Scan(std::uint64_t after, int limit) {
  return ReadRows<ChunkRow>(
      sql_.Exec(std::string(kRowColumns) + "WHERE no > $1 ORDER BY no LIMIT $2", after, limit),
      ReadChunkRow);
}

absl::StatusOr<std::vector<ChunkRow>> PgChunkIndex::ListNotLive(ChunkState state,
                                                                std::uint64_t after, int limit) {
  // The second condition is what the partial index is about.
  return ReadRows<ChunkRow>(
      sql_.Exec(std::string(kRowColumns) +
                    "WHERE state = $1 AND state <> 1 AND no > $2 ORDER BY no LIMIT $3",
                state, after, limit),
      ReadChunkRow);
}

absl::StatusOr<std::vector<ChunkLocation>> PgChunkIndex::ListOfPack(const PackId& pack) {
  return ReadRows<ChunkLocation>(
      sql_.Exec("SELECT c.no, d.id, c.id, p.id, c.pack_offset, c.bytes, c.state FROM pack p"
                " JOIN chunk c ON c.pack_no = p.no JOIN domain d ON d.no = c.domain_no"
                " WHERE p.id = $1 ORDER BY c.pack_offset, c.no",
                pack),
      ReadChunkLocation);
}

absl::StatusOr<ChunkTotals> PgChunkIndex::Totals() {
  MOORING_ASSIGN_OR_RETURN(
      const SqlResult result,
      sql_.Exec("SELECT state, count(*), sum(bytes) FROM chunk GROUP BY state"));
  ChunkTotals totals;
  for (int i = 0; i < result.size(); ++i) {
    SqlReader row(result, i);
    const auto state = row.Enum<ChunkState>();
    const ChunkTotals::Sum sum{row.Uint64(), row.Uint64()};
    MOORING_RETURN_IF_ERROR(row.status());
    switch (state) {
      case ChunkState::kLive:
        totals.live = sum;
        break;
      case ChunkState::kCondemned:
        totals.condemned = sum;
        break;
      case ChunkState::kDoomed:
        totals.doomed = sum;
        break;
      case ChunkState::kLost:
        totals.lost = sum;
        break;
    }
  }
  return totals;
}

absl::StatusOr<std::uint64_t> PgChunkIndex::Repoint(const PackId& from, const PackId& to,
                                                    std::span<const MovedChunk> chunks) {
  MOORING_ASSIGN_OR_RETURN(const std::int64_t from_no, PackNo(from));
  MOORING_ASSIGN_OR_RETURN(const std::int64_t to_no, PackNo(to));
  std::uint64_t moved = 0;
  const auto move = [&](std::size_t, std::span<const MovedChunk> part) -> absl::Status {
    std::vector<std::int64_t> numbers;
    std::vector<std::int64_t> offsets;
    for (const MovedChunk& chunk : part) {
      numbers.push_back(static_cast<std::int64_t>(chunk.no));
      offsets.push_back(static_cast<std::int64_t>(chunk.offset));
    }
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.ExecBinary(kRepoint, {BinaryInt8Array(numbers), BinaryInt8Array(offsets),
                                   BinaryInt8(from_no), BinaryInt8(to_no)}));
    moved += result.affected();
    return absl::OkStatus();
  };
  MOORING_RETURN_IF_ERROR(InBatches(chunks, move));
  return moved;
}

absl::StatusOr<DeletedRows> PgChunkIndex::DeleteRowsOfPack(const PackId& pack) {
  MOORING_ASSIGN_OR_RETURN(const SqlResult packs,
                           sql_.Exec("SELECT no FROM pack WHERE id = $1 FOR UPDATE", pack));
  DeletedRows rows;
  if (packs.empty()) return rows;
  const std::int64_t pack_no = SqlReader(packs, 0).Int64();
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::int64_t> deleted,
                           ReadRows<std::int64_t>(sql_.Exec(kDeleteRows, pack_no),
                                                  [](SqlReader& row) { return row.Int64(); }));
  rows.deleted = deleted.size();
  const auto disown = [&](std::size_t, std::span<const std::int64_t> part) -> absl::Status {
    return sql_
        .ExecBinary(
            "DELETE FROM chunk_owner o USING unnest($1::bigint[]) u(no)"
            " WHERE o.chunk_no = u.no",
            {BinaryInt8Array(part)})
        .status();
  };
  MOORING_RETURN_IF_ERROR(InBatches(std::span<const std::int64_t>(deleted), disown));
  MOORING_ASSIGN_OR_RETURN(
      rows.left, ReadCount(sql_.Exec("SELECT count(*) FROM chunk WHERE pack_no = $1", pack_no)));
  return rows;
}

}  // namespace mooring::storage
