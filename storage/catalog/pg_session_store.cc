#include <fmt/format.h>

#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr int kExpireMax = 1000;
constexpr std::uint32_t kListMax = 10000;

constexpr char kColumns[] =
    "s.id, s.idempotency_key, s.device_id, s.person_id, s.lineage, s.agent_id, s.snapshot_id,"
    " s.sequence, s.base_snapshot_id, s.state, s.captures, s.wrapped_snapshot_key, s.started_at,"
    " s.lease_until, s.ended_at, s.cause, s.message, s.progress, s.read_bytes, s.new_bytes,"
    " s.commit_key, s.receipt";

SessionRecord Read(SqlReader& row) {
  SessionRecord record;
  record.id = row.IdOf<SessionId>();
  record.idempotency_key = row.Blob();
  record.device = row.IdOf<DeviceId>();
  record.person = row.IdOf<PersonId>();
  record.lineage = row.Uint32();
  record.agent = row.IdOf<AgentId>();
  record.snapshot = row.IdOf<SnapshotId>();
  record.sequence = row.Uint64();
  record.base = row.OptionalIdOf<SnapshotId>();
  record.state = row.Enum<v1::SessionState>();
  record.captures = row.IntArray();
  record.wrapped_snapshot_key = row.Blob();
  record.started_at = row.Time();
  record.lease_until = row.Time();
  record.ended_at = row.OptionalTime();
  record.cause = row.Enum<v1::Cause>();
  record.message = row.Text();
  record.progress = row.OptionalMessage<v1::Progress>();
  record.read_bytes = row.Uint64();
  record.new_bytes = row.Uint64();
  record.commit_key = row.Blob();
  record.receipt = row.OptionalMessage<v1::Receipt>();
  return record;
}

absl::Status NotOpen() {
  return absl::FailedPreconditionError("the session is not open");
}

class PgSessionStore final : public SessionStore {
 public:
  explicit PgSessionStore(SqlSession& sql) : sql_(sql) {}

  absl::Status Create(const SessionRecord& r) override {
    const absl::StatusOr<SqlResult> result = sql_.Exec(
        "INSERT INTO session (id, idempotency_key, device_id, person_id, lineage, agent_id,"
        " snapshot_id, sequence, base_snapshot_id, state, captures, wrapped_snapshot_key,"
        " started_at, lease_until)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        " ON CONFLICT DO NOTHING",
        r.id, r.idempotency_key, r.device, r.person, r.lineage, r.agent, r.snapshot, r.sequence,
        r.base, v1::SESSION_STATE_OPEN, r.captures, r.wrapped_snapshot_key, r.started_at,
        r.lease_until);
    if (!result.ok()) return result.status();
    if (result->affected() > 0) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(const std::optional<SessionRecord> same_key,
                             FindByIdempotencyKey(r.idempotency_key));
    if (same_key.has_value()) return absl::AlreadyExistsError("the session exists");
    return absl::FailedPreconditionError("the device has an open session");
  }

  absl::StatusOr<std::optional<SessionRecord>> Get(const SessionId& id, RowLock lock) override {
    return One(fmt::format("s.id = $1{}", LockClause(lock, "s")), id.view());
  }

  absl::StatusOr<std::optional<SessionRecord>> FindByIdempotencyKey(ByteView key) override {
    return One("s.idempotency_key = $1", key);
  }

  absl::StatusOr<std::optional<SessionRecord>> FindOpenOfDevice(const DeviceId& device,
                                                                RowLock lock) override {
    return One(fmt::format("s.device_id = $1 AND s.state = 1{}", LockClause(lock, "s")),
               device.view());
  }

  absl::StatusOr<std::vector<SessionView>> List(const SessionFilter& filter) override {
    std::string where;
    std::vector<SqlParam> params;
    if (filter.device.has_value()) {
      params.emplace_back(*filter.device);
      where += fmt::format(" AND s.device_id = ${}", params.size());
    }
    if (filter.state.has_value()) {
      params.emplace_back(*filter.state);
      where += fmt::format(" AND s.state = ${}", params.size());
    }
    return ReadRows<SessionView>(
        sql_.ExecText(fmt::format("SELECT {}, d.serial, a.hostname FROM session s"
                                  " JOIN device d ON d.id = s.device_id"
                                  " JOIN agent a ON a.id = s.agent_id WHERE true{}"
                                  " ORDER BY s.started_at DESC, s.id LIMIT {}",
                                  kColumns, where, std::min(filter.limit, kListMax)),
                      params),
        [](SqlReader& row) {
          SessionView view;
          view.session = Read(row);
          view.serial = row.Text();
          view.agent_hostname = row.Text();
          return view;
        });
  }

  absl::StatusOr<std::uint64_t> CountOpen() override {
    return ReadCount(sql_.Exec("SELECT count(*) FROM session WHERE state = 1"));
  }

  absl::Status Touch(const SessionId& id, absl::Time lease_until,
                     const v1::Progress* progress) override {
    // A lease is never shortened: a late message of an earlier moment changes nothing.
    if (progress == nullptr) {
      return Touched(sql_.Exec("UPDATE session SET lease_until = greatest(lease_until, $2)"
                               " WHERE id = $1 AND state = 1",
                               id, lease_until),
                     NotOpen());
    }
    return Touched(
        sql_.Exec("UPDATE session SET lease_until = greatest(lease_until, $2), progress = $3,"
                  " read_bytes = greatest(read_bytes, $4) WHERE id = $1 AND state = 1",
                  id, lease_until, AsBytes(progress->SerializeAsString()), progress->bytes_read()),
        NotOpen());
  }

  absl::Status AddNewBytes(const SessionId& id, std::uint64_t bytes) override {
    return Touched(sql_.Exec("UPDATE session SET new_bytes = new_bytes + $2"
                             " WHERE id = $1 AND state = 1",
                             id, bytes),
                   NotOpen());
  }

  absl::Status Commit(const SessionId& id, ByteView commit_key, const v1::Receipt& receipt,
                      std::uint64_t read_bytes, absl::Time at) override {
    // The snapshot's key slot is the key's one place from here on, so that
    // destroying the slot destroys the key.
    MOORING_RETURN_IF_ERROR(Touched(
        sql_.Exec(
            "UPDATE session SET state = 2, commit_key = $2, receipt = $3,"
            " wrapped_snapshot_key = '', read_bytes = $4, ended_at = $5, cause = 0, message = ''"
            " WHERE id = $1 AND state = 1",
            id, commit_key, AsBytes(receipt.SerializeAsString()), read_bytes, at),
        NotOpen()));
    return ForgetTouches(id);
  }

  absl::Status End(const SessionId& id, v1::SessionState state, v1::Cause cause,
                   const std::string& message, absl::Time at) override {
    if (state != v1::SESSION_STATE_ABORTED && state != v1::SESSION_STATE_EXPIRED) {
      return absl::InvalidArgumentError("a session ends as aborted or expired");
    }
    MOORING_RETURN_IF_ERROR(
        Touched(sql_.Exec("UPDATE session SET state = $2, cause = $3, message = $4,"
                          " ended_at = $5, wrapped_snapshot_key = '' WHERE id = $1 AND state = 1",
                          id, state, cause, message, at),
                NotOpen()));
    return ForgetTouches(id);
  }

  absl::StatusOr<std::vector<SessionRecord>> ExpireLeases(absl::Time now, v1::Cause cause,
                                                          const std::string& message) override {
    MOORING_ASSIGN_OR_RETURN(
        std::vector<SessionRecord> expired,
        ReadRows<SessionRecord>(
            sql_.Exec(fmt::format("UPDATE session s SET state = 4, cause = $2, message = $3,"
                                  " ended_at = $1, wrapped_snapshot_key = '' WHERE s.id IN (SELECT "
                                  "id FROM session"
                                  " WHERE state = 1 AND lease_until <= $1 ORDER BY lease_until"
                                  " LIMIT {} FOR UPDATE SKIP LOCKED) RETURNING {}",
                                  kExpireMax, kColumns),
                      now, cause, message),
            Read));
    for (const SessionRecord& session : expired) {
      MOORING_RETURN_IF_ERROR(ForgetTouches(session.id));
    }
    return expired;
  }

 private:
  // What it was told is there matters while it is open.
  absl::Status ForgetTouches(const SessionId& id) {
    return sql_.Exec("DELETE FROM session_touch WHERE session_id = $1", id).status();
  }

  absl::StatusOr<std::optional<SessionRecord>> One(const std::string& where, ByteView key) {
    return ReadOptional<SessionRecord>(
        sql_.Exec(fmt::format("SELECT {} FROM session s WHERE {}", kColumns, where), key), Read);
  }

  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<SessionStore> MakePgSessionStore(SqlSession& sql) {
  return std::make_unique<PgSessionStore>(sql);
}

}  // namespace mooring::storage
