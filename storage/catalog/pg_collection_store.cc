#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

SessionTouch ReadTouch(SqlReader& row) {
  SessionTouch touch;
  touch.no = row.Uint64();
  touch.session = row.IdOf<SessionId>();
  touch.refs = row.Blob();
  return touch;
}

class PgCollectionStore final : public CollectionStore {
 public:
  explicit PgCollectionStore(SqlSession& sql) : sql_(sql) {}

  absl::StatusOr<CollectionState> Get(RowLock lock) override {
    MOORING_ASSIGN_OR_RETURN(
        const std::optional<CollectionState> state,
        ReadOptional<CollectionState>(
            sql_.Exec("SELECT epoch, pending_epoch, round_id, generation, mark_no, last_round_at,"
                      " stop_reason, stopped_at, recovery_reason, figures FROM collection_state c" +
                      LockClause(lock, "c")),
            [](SqlReader& row) {
              CollectionState read;
              read.epoch = row.Uint64();
              read.pending_epoch = row.OptionalUint64();
              read.round_id = row.Blob();
              read.generation = row.Uint64();
              read.mark_no = row.Uint64();
              read.last_round_at = row.OptionalTime();
              read.stop_reason = row.Text();
              read.stopped_at = row.OptionalTime();
              read.recovery_reason = row.Text();
              read.figures = row.Blob();
              return read;
            }));
    if (!state.has_value()) return absl::DataLossError("the catalog has no collection state");
    return *state;
  }

  absl::Status Put(const CollectionState& state) override {
    return Touched(
        sql_.Exec("UPDATE collection_state SET epoch = $1, pending_epoch = $2, round_id = $3,"
                  " generation = $4, mark_no = $5, last_round_at = $6, stop_reason = $7,"
                  " stopped_at = $8, recovery_reason = $9, figures = $10",
                  state.epoch, state.pending_epoch, state.round_id, state.generation, state.mark_no,
                  state.last_round_at, state.stop_reason, state.stopped_at, state.recovery_reason,
                  state.figures),
        absl::DataLossError("the catalog has no collection state"));
  }

  absl::StatusOr<std::uint64_t> AddTouch(const SessionId& session, ByteView refs) override {
    MOORING_RETURN_IF_ERROR(
        sql_.Exec("INSERT INTO session_touch (session_id, refs) VALUES ($1, $2)", session, refs)
            .status());
    return ReadCount(
        sql_.Exec("SELECT count(*) FROM session_touch WHERE session_id = $1", session));
  }

  absl::StatusOr<std::vector<SessionTouch>> ListTouches(const SessionId& session) override {
    return ReadRows<SessionTouch>(
        sql_.Exec("SELECT no, session_id, refs FROM session_touch WHERE session_id = $1"
                  " ORDER BY no",
                  session),
        ReadTouch);
  }

  absl::Status MergeTouches(const SessionId& session, const std::vector<std::uint64_t>& numbers,
                            ByteView refs) override {
    std::vector<std::int64_t> merged;
    for (const std::uint64_t no : numbers) merged.push_back(static_cast<std::int64_t>(no));
    MOORING_RETURN_IF_ERROR(sql_.ExecBinary("DELETE FROM session_touch t"
                                            " USING unnest($1::bigint[]) u(no)"
                                            " WHERE t.no = u.no AND t.session_id = $2::bytea",
                                            {BinaryInt8Array(merged), ToBytes(session.bytes())})
                                .status());
    return AddTouch(session, refs).status();
  }

  absl::StatusOr<std::vector<SessionTouch>> ListOpenTouches(std::uint64_t after,
                                                            int limit) override {
    return ReadRows<SessionTouch>(
        sql_.Exec("SELECT t.no, t.session_id, t.refs FROM session_touch t"
                  " JOIN session s ON s.id = t.session_id"
                  " WHERE s.state = 1 AND t.no > $1 ORDER BY t.no LIMIT $2",
                  after, limit),
        ReadTouch);
  }

  absl::StatusOr<absl::Time> DatabaseNow() override {
    MOORING_ASSIGN_OR_RETURN(const SqlResult result, sql_.Exec("SELECT clock_timestamp()"));
    SqlReader row(result, 0);
    const absl::Time now = row.Time();
    MOORING_RETURN_IF_ERROR(row.status());
    return now;
  }

  absl::StatusOr<bool> AcquireLease(const std::string& job, const std::string& holder,
                                    absl::Duration length) override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.Exec("INSERT INTO job_lease AS l (name, holder, until)"
                  " VALUES ($1, $2, clock_timestamp() + $3::bigint * interval '1 millisecond')"
                  " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,"
                  "   until = excluded.until"
                  " WHERE l.holder = excluded.holder OR l.until <= clock_timestamp()",
                  job, holder, absl::ToInt64Milliseconds(length)));
    return result.affected() > 0;
  }

  absl::Status ReleaseLease(const std::string& job, const std::string& holder) override {
    return sql_.Exec("DELETE FROM job_lease WHERE name = $1 AND holder = $2", job, holder).status();
  }

  absl::StatusOr<std::optional<JobLease>> GetLease(const std::string& job) override {
    return ReadOptional<JobLease>(sql_.Exec("SELECT holder, until FROM job_lease"
                                            " WHERE name = $1 AND until > clock_timestamp()",
                                            job),
                                  [](SqlReader& row) {
                                    JobLease lease;
                                    lease.holder = row.Text();
                                    lease.until = row.Time();
                                    return lease;
                                  });
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<CollectionStore> MakePgCollectionStore(SqlSession& sql) {
  return std::make_unique<PgCollectionStore>(sql);
}

}  // namespace mooring::storage
