#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr char kSelect[] = "SELECT no, id, session_id, state, bytes, sha256, created_at FROM pack ";

PackRecord Read(SqlReader& row) {
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

  absl::StatusOr<std::optional<PackRecord>> Get(const PackId& id) override {
    return ReadOptional<PackRecord>(sql_.Exec(std::string(kSelect) + "WHERE id = $1", id), Read);
  }

  absl::StatusOr<std::vector<PackRecord>> List(PackState state) override {
    return ReadRows<PackRecord>(
        sql_.Exec(std::string(kSelect) + "WHERE state = $1 ORDER BY no", state), Read);
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
