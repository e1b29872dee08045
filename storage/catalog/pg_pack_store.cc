#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kBatchMax = 4096;

constexpr char kColumns[] =
    "p.no, p.id, p.session_id, p.state, p.bytes, p.sha256, p.created_at, p.doomed_at,"
    " p.doom_generation";

PackRecord Read(SqlReader& row) {
  PackRecord record;
  record.no = row.Int64();
  record.id = row.IdOf<PackId>();
  record.session = row.OptionalIdOf<SessionId>();
  record.state = row.Enum<PackState>();
  record.bytes = row.Uint64();
  record.sha256 = row.Blob();
  record.created_at = row.Time();
  record.doomed_at = row.OptionalTime();
  record.doom_generation = row.OptionalUint64();
  return record;
}

class PgPackStore final : public PackStore {
 public:
  explicit PgPackStore(SqlSession& sql) : sql_(sql) {}

  absl::StatusOr<std::int64_t> Stage(const PackId& id, const std::optional<SessionId>& session,
                                     absl::Time at) override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.Exec("INSERT INTO pack (id, session_id, state, created_at) VALUES ($1, $2, 1, $3)"
                  " RETURNING no",
                  id, session, at));
    return SqlReader(result, 0).Int64();
  }

  absl::Status MarkLive(const PackId& id, std::uint64_t bytes, ByteView sha256) override {
    return Touched(
        sql_.Exec("UPDATE pack SET state = 2, bytes = $2, sha256 = $3 WHERE id = $1 AND state = 1",
                  id, bytes, sha256),
        absl::FailedPreconditionError("the pack is not staged"));
  }

  absl::Status Discard(const PackId& id) override {
    return sql_.Exec("DELETE FROM pack WHERE id = $1 AND state = 1", id).status();
  }

  absl::StatusOr<std::vector<PackRecord>> DoomEmpty(std::span<const std::int64_t> numbers,
                                                    std::uint64_t generation,
                                                    absl::Time at) override {
    std::vector<PackRecord> doomed;
    for (std::size_t first = 0; first < numbers.size(); first += kBatchMax) {
      const auto part = numbers.subspan(first, std::min(kBatchMax, numbers.size() - first));
      MOORING_ASSIGN_OR_RETURN(
          std::vector<PackRecord> some,
          ReadRows<PackRecord>(
              sql_.ExecBinary(
                  fmt::format("UPDATE pack p SET state = 3, doomed_at = $3::timestamptz,"
                              " doom_generation = $2::bigint"
                              " FROM unnest($1::bigint[]) u(no)"
                              " WHERE p.no = u.no AND p.state = 2 AND NOT EXISTS"
                              " (SELECT 1 FROM chunk c WHERE c.pack_no = p.no"
                              " AND c.state <> 3) RETURNING {}",
                              kColumns),
                  {BinaryInt8Array(part), BinaryInt8(static_cast<std::int64_t>(generation)),
                   BinaryTime(at)}),
              Read));
      std::move(some.begin(), some.end(), std::back_inserter(doomed));
    }
    return doomed;
  }

  absl::Status Delete(const PackId& id) override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult deleted,
        sql_.Exec("DELETE FROM pack p WHERE p.id = $1 AND p.state = 3"
                  " AND NOT EXISTS (SELECT 1 FROM chunk c WHERE c.pack_no = p.no)",
                  id));
    if (deleted.affected() > 0) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(const SqlResult there,
                             sql_.Exec("SELECT 1 FROM pack WHERE id = $1", id));
    if (there.empty()) return absl::OkStatus();
    return absl::FailedPreconditionError("the pack is not doomed, or a chunk lies in it");
  }

  absl::StatusOr<std::optional<PackRecord>> Get(const PackId& id, RowLock lock) override {
    return ReadOptional<PackRecord>(sql_.Exec(fmt::format("SELECT {} FROM pack p WHERE p.id = $1{}",
                                                          kColumns, LockClause(lock, "p")),
                                              id),
                                    Read);
  }

  absl::StatusOr<std::vector<PackId>> ListUnknown(std::span<const PackId> ids) override {
    return SelectIds(sql_,
                     "SELECT u.n FROM unnest($1::bytea[]) WITH ORDINALITY u(id, n)"
                     " LEFT JOIN pack p ON p.id = u.id WHERE p.id IS NULL ORDER BY u.n",
                     ids);
  }

  absl::StatusOr<std::vector<PackRecord>> Scan(std::int64_t after, int limit) override {
    return ReadRows<PackRecord>(
        sql_.Exec(
            fmt::format("SELECT {} FROM pack p WHERE p.no > $1 ORDER BY p.no LIMIT $2", kColumns),
            after, limit),
        Read);
  }

  absl::StatusOr<std::vector<std::int64_t>> ListOfOpenSessions() override {
    return ReadRows<std::int64_t>(
        sql_.Exec("SELECT p.no FROM session s JOIN pack p ON p.session_id = s.id"
                  " WHERE s.state = 1 ORDER BY p.no"),
        [](SqlReader& row) { return row.Int64(); });
  }

  absl::StatusOr<std::vector<PackRecord>> List(PackState state) override {
    return ReadRows<PackRecord>(
        sql_.Exec(fmt::format("SELECT {} FROM pack p WHERE p.state = $1 ORDER BY p.no", kColumns),
                  state),
        Read);
  }

  absl::StatusOr<StoreTotals> Totals() override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.Exec("SELECT count(*), coalesce(sum(bytes), 0) FROM pack WHERE state = 2"));
    SqlReader row(result, 0);
    StoreTotals totals;
    totals.packs = row.Uint64();
    totals.bytes = row.Uint64();
    MOORING_RETURN_IF_ERROR(row.status());
    return totals;
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<PackStore> MakePgPackStore(SqlSession& sql) {
  return std::make_unique<PgPackStore>(sql);
}

}  // namespace mooring::storage
