#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr char kPackColumns[] = "no, id, session_id, state, bytes, sha256, created_at";

constexpr char kChunkFrom[] =
    "SELECT c.no, d.id, c.id, p.id, c.pack_offset, c.bytes, c.state FROM chunk c"
    " JOIN pack p ON p.no = c.pack_no JOIN domain d ON d.no = c.domain_no ";

PackRecord ReadPack(SqlReader& row) {
  PackRecord record;
  record.no = row.Int64();
  record.id = row.IdOf<PackId>();
  record.session = row.OptionalIdOf<SessionId>();
  record.state = row.Enum<PackState>();
  record.bytes = row.Uint64();
  record.sha256 = row.Blob();
  record.created_at = row.Time();
  return record;
}

ChunkLocation ReadChunk(SqlReader& row) {
  ChunkLocation location;
  location.no = row.Uint64();
  location.domain = row.IdOf<DomainId>();
  location.id = row.IdOf<ChunkId>();
  location.pack = row.IdOf<PackId>();
  location.offset = row.Uint64();
  location.bytes = row.Uint32();
  location.state = row.Enum<ChunkState>();
  return location;
}

Finding ReadFinding(SqlReader& row) {
  Finding finding;
  finding.no = row.Int64();
  finding.kind = row.Enum<FindingKind>();
  finding.subject = row.Text();
  finding.message = row.Text();
  finding.found_at = row.Time();
  finding.resolved_at = row.OptionalTime();
  finding.resolution = row.Text();
  return finding;
}

class PgCareStore final : public CareStore {
 public:
  explicit PgCareStore(SqlSession& sql) : sql_(sql) {}

  absl::StatusOr<std::vector<PackRecord>> NextToScrub(absl::Time before, int limit) override {
    // Two statements: one that sorts by both would not walk the index.
    MOORING_ASSIGN_OR_RETURN(
        std::vector<PackRecord> packs,
        ReadRows<PackRecord>(
            sql_.Exec(fmt::format("SELECT {} FROM pack WHERE state = 2 AND scrubbed_at IS NULL"
                                  " ORDER BY no DESC LIMIT $1",
                                  kPackColumns),
                      limit),
            ReadPack));
    if (!packs.empty()) return packs;
    return ReadRows<PackRecord>(
        sql_.Exec(fmt::format("SELECT {} FROM pack WHERE state = 2 AND scrubbed_at < $1"
                              " ORDER BY scrubbed_at, no LIMIT $2",
                              kPackColumns),
                  before, limit),
        ReadPack);
  }

  absl::Status MarkScrubbed(const PackId& pack, std::optional<absl::Time> at) override {
    return sql_.Exec("UPDATE pack SET scrubbed_at = $2 WHERE id = $1", pack, at).status();
  }

  absl::StatusOr<std::vector<ChunkLocation>> ChunksOfPack(const PackId& pack) override {
    return ReadRows<ChunkLocation>(
        sql_.Exec(std::string(kChunkFrom) + "WHERE p.id = $1 ORDER BY c.pack_offset, c.no", pack),
        ReadChunk);
  }

  absl::StatusOr<std::uint64_t> MarkLost(const PackId& pack,
                                         std::span<const std::uint64_t> numbers) override {
    const std::vector<std::int64_t> lost(numbers.begin(), numbers.end());
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult marked,
        sql_.ExecBinary("UPDATE chunk SET state = 4, condemned_at = NULL, condemned_generation = "
                        "NULL FROM unnest($1::bigint[]) u(no), pack p"
                        " WHERE chunk.no = u.no AND p.id = $2::bytea AND chunk.pack_no = p.no"
                        " AND chunk.state IN (1, 2)",
                        {BinaryInt8Array(lost), ToBytes(pack.bytes())}));
    return marked.affected();
  }

  absl::StatusOr<MoveOutcome> Move(const PackId& from, const PackId& to,
                                   std::span<const NewPlace> chunks) override;

  absl::StatusOr<std::vector<ChunkLocation>> LostChunks(std::uint64_t after, int limit) override {
    return ReadRows<ChunkLocation>(
        sql_.Exec(
            std::string(kChunkFrom) + "WHERE c.state = 4 AND c.no > $1 ORDER BY c.no LIMIT $2",
            after, limit),
        ReadChunk);
  }

  absl::StatusOr<LostTotals> CountLost() override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.Exec("SELECT count(*), coalesce(sum(no), 0) % 9223372036854775807 FROM chunk"
                  " WHERE state = 4"));
    SqlReader row(result, 0);
    LostTotals totals;
    totals.count = row.Uint64();
    totals.sum = row.Uint64();
    MOORING_RETURN_IF_ERROR(row.status());
    return totals;
  }

  absl::StatusOr<std::vector<LiveSnapshotRefs>> SnapshotsAfter(const SnapshotId& after,
                                                               int limit) override {
    return ReadRows<LiveSnapshotRefs>(
        sql_.Exec("SELECT id, refs, damaged_chunks FROM snapshot WHERE id > $1"
                  " AND deleted_at IS NULL ORDER BY id LIMIT $2",
                  after, limit),
        [](SqlReader& row) {
          LiveSnapshotRefs refs;
          refs.snapshot = row.IdOf<SnapshotId>();
          refs.refs = row.Blob();
          refs.damaged_chunks = row.Uint64();
          return refs;
        });
  }

  absl::Status SetDamaged(const SnapshotId& snapshot, std::uint64_t chunks) override {
    return sql_
        .Exec("UPDATE snapshot SET damaged_chunks = $2 WHERE id = $1 AND damaged_chunks <> $2",
              snapshot, chunks)
        .status();
  }

  absl::StatusOr<std::vector<PackRecord>> NextToReplicate(std::int64_t after, int limit) override {
    return ReadRows<PackRecord>(
        sql_.Exec(fmt::format("SELECT {} FROM pack WHERE state = 2 AND replicated_at IS NULL"
                              " AND no > $1 ORDER BY no LIMIT $2",
                              kPackColumns),
                  after, limit),
        ReadPack);
  }

  absl::Status MarkReplicated(const PackId& pack, std::optional<absl::Time> at) override {
    return sql_.Exec("UPDATE pack SET replicated_at = $2 WHERE id = $1", pack, at).status();
  }

  absl::Status Report(FindingKind kind, std::string_view subject, std::string_view message,
                      absl::Time at) override {
    return sql_
        .Exec(
            "INSERT INTO finding (kind, subject, message, found_at) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (kind, subject) WHERE resolved_at IS NULL"
            " DO UPDATE SET message = excluded.message",
            kind, subject, message, at)
        .status();
  }

  absl::Status Resolve(FindingKind kind, std::string_view subject, std::string_view resolution,
                       absl::Time at) override {
    return sql_
        .Exec(
            "UPDATE finding SET resolved_at = $4, resolution = $3"
            " WHERE kind = $1 AND subject = $2 AND resolved_at IS NULL",
            kind, subject, resolution, at)
        .status();
  }

  absl::StatusOr<std::vector<Finding>> Findings(bool with_resolved, int limit) override {
    return ReadRows<Finding>(
        sql_.Exec("SELECT no, kind, subject, message, found_at, resolved_at, resolution"
                  " FROM finding WHERE $1 OR resolved_at IS NULL ORDER BY no DESC LIMIT $2",
                  with_resolved, limit),
        ReadFinding);
  }

  absl::StatusOr<CareTotals> Totals() override;

  absl::StatusOr<CareState> State(RowLock lock) override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.Exec(
            std::string("SELECT scrub_pass_at, records_checked_at, replica_synced_at, exported_at,"
                        " rebuilt_at, holds_confirmed_at FROM care_state") +
            LockClause(lock, "care_state")));
    if (result.empty()) return CareState();
    SqlReader row(result, 0);
    CareState state;
    state.scrub_pass_at = row.OptionalTime();
    state.records_checked_at = row.OptionalTime();
    state.replica_synced_at = row.OptionalTime();
    state.exported_at = row.OptionalTime();
    state.rebuilt_at = row.OptionalTime();
    state.holds_confirmed_at = row.OptionalTime();
    MOORING_RETURN_IF_ERROR(row.status());
    return state;
  }

  absl::Status SetState(const CareState& s) override {
    return sql_
        .Exec(
            "UPDATE care_state SET scrub_pass_at = $1, records_checked_at = $2,"
            " replica_synced_at = $3, exported_at = $4, rebuilt_at = $5, holds_confirmed_at = $6",
            s.scrub_pass_at, s.records_checked_at, s.replica_synced_at, s.exported_at, s.rebuilt_at,
            s.holds_confirmed_at)
        .status();
  }

 private:
  absl::StatusOr<std::int64_t> NumberOf(const PackId& pack);

  SqlSession& sql_;
};

absl::StatusOr<std::int64_t> PgCareStore::NumberOf(const PackId& pack) {
  MOORING_ASSIGN_OR_RETURN(const SqlResult found,
                           sql_.Exec("SELECT no FROM pack WHERE id = $1", pack));
  if (found.empty()) return absl::NotFoundError("no such pack");
  return SqlReader(found, 0).Int64();
}

absl::StatusOr<MoveOutcome> PgCareStore::Move(const PackId& from, const PackId& to,
                                              std::span<const NewPlace> chunks) {
  MOORING_ASSIGN_OR_RETURN(const std::int64_t from_no, NumberOf(from));
  MOORING_ASSIGN_OR_RETURN(const std::int64_t to_no, NumberOf(to));
  std::vector<std::int64_t> numbers;
  std::vector<std::int64_t> offsets;
  for (const NewPlace& chunk : chunks) {
    numbers.push_back(static_cast<std::int64_t>(chunk.no));
    offsets.push_back(static_cast<std::int64_t>(chunk.offset));
  }
  // The rows as they were, for the count of those that were lost. Locked in the
  // order of their numbers, so that two movers cannot deadlock.
  MOORING_ASSIGN_OR_RETURN(
      const SqlResult moved,
      sql_.ExecBinary(
          "WITH old AS (SELECT c.no, c.state, u.pack_offset FROM"
          "   unnest($1::bigint[], $2::bigint[]) u(no, pack_offset)"
          "   JOIN chunk c ON c.no = u.no WHERE c.pack_no = $3::bigint AND c.state IN (1, 2, 4)"
          "   ORDER BY c.no FOR UPDATE OF c)"
          " UPDATE chunk SET pack_no = $4::bigint, pack_offset = old.pack_offset,"
          "   state = CASE WHEN old.state = 4 THEN 1 ELSE old.state END"
          " FROM old WHERE chunk.no = old.no RETURNING old.state = 4",
          {BinaryInt8Array(numbers), BinaryInt8Array(offsets), BinaryInt8(from_no),
           BinaryInt8(to_no)}));
  MoveOutcome outcome;
  for (int i = 0; i < moved.size(); ++i) {
    ++outcome.moved;
    if (SqlReader(moved, i).Bool()) ++outcome.healed;
  }
  return outcome;
}

absl::StatusOr<CareTotals> PgCareStore::Totals() {
  MOORING_ASSIGN_OR_RETURN(
      const SqlResult result,
      sql_.Exec("SELECT count(*), count(*) FILTER (WHERE scrubbed_at IS NULL), min(scrubbed_at),"
                " min(created_at) FILTER (WHERE scrubbed_at IS NULL),"
                " count(*) FILTER (WHERE replicated_at IS NULL),"
                " coalesce(sum(bytes) FILTER (WHERE replicated_at IS NULL), 0),"
                " min(created_at) FILTER (WHERE replicated_at IS NULL),"
                " (SELECT count(*) FROM chunk WHERE state = 4),"
                " (SELECT count(*) FROM snapshot WHERE damaged_chunks > 0 AND deleted_at IS NULL),"
                " (SELECT count(*) FROM finding WHERE resolved_at IS NULL)"
                " FROM pack WHERE state = 2"));
  SqlReader row(result, 0);
  CareTotals totals;
  totals.packs = row.Uint64();
  totals.packs_unscrubbed = row.Uint64();
  totals.oldest_scrub_at = row.OptionalTime();
  totals.oldest_unscrubbed_at = row.OptionalTime();
  totals.packs_unreplicated = row.Uint64();
  totals.bytes_unreplicated = row.Uint64();
  totals.oldest_unreplicated_at = row.OptionalTime();
  totals.lost_chunks = row.Uint64();
  totals.damaged_snapshots = row.Uint64();
  totals.open_findings = row.Uint64();
  MOORING_RETURN_IF_ERROR(row.status());
  return totals;
}

}  // namespace

std::unique_ptr<CareStore> MakePgCareStore(SqlSession& sql) {
  return std::make_unique<PgCareStore>(sql);
}

}  // namespace mooring::storage
