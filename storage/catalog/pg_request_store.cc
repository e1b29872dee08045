#include "storage/catalog/pg_request_store.h"

#include <fmt/format.h>

#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr char kColumns[] =
    "r.id, r.kind, r.state, r.requested_by, r.requested_at, r.expires_at, r.reason,"
    " coalesce(r.decided_by, ''), r.decided_at, r.decision_reason, r.snapshot_id, r.device_id,"
    " r.target_serial, r.summary, r.hold_id, r.policy";

RequestRecord Read(SqlReader& row) {
  RequestRecord record;
  record.id = row.IdOf<RequestId>();
  record.kind = row.Enum<v1::RequestKind>();
  record.state = row.Enum<v1::RequestState>();
  record.requested_by = row.Text();
  record.requested_at = row.Time();
  record.expires_at = row.Time();
  record.reason = row.Text();
  record.decided_by = row.Text();
  record.decided_at = row.OptionalTime();
  record.decision_reason = row.Text();
  record.snapshot = row.IdOf<SnapshotId>();
  record.device = row.IdOf<DeviceId>();
  record.target_serial = row.Text();
  record.summary = row.Text();
  record.hold = row.OptionalIdOf<HoldId>();
  record.policy = row.OptionalMessage<v1::StoredPolicy>();
  return record;
}

}  // namespace

absl::Status PgRequestStore::Create(const RequestRecord& r) {
  return sql_
      .Exec(
          "INSERT INTO request (id, kind, state, requested_by, requested_at, expires_at, reason,"
          " decided_by, decided_at, decision_reason, snapshot_id, device_id, target_serial,"
          " summary, hold_id, policy)"
          " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
          r.id, r.kind, r.state, r.requested_by, r.requested_at, r.expires_at, r.reason,
          NullIfEmpty(r.decided_by), r.decided_at, r.decision_reason, r.snapshot, r.device,
          r.target_serial, r.summary, r.hold,
          r.policy ? SqlParam(AsBytes(r.policy->SerializeAsString())) : SqlParam(std::nullopt))
      .status();
}

absl::StatusOr<std::optional<RequestRecord>> PgRequestStore::Get(const RequestId& id,
                                                                 RowLock lock) {
  return ReadOptional<RequestRecord>(
      sql_.Exec(fmt::format("SELECT {} FROM request r WHERE r.id = $1{}", kColumns,
                            LockClause(lock, "r")),
                id),
      Read);
}

absl::StatusOr<std::vector<RequestRecord>> PgRequestStore::List(
    const std::optional<v1::RequestState>& state) {
  const std::string select = fmt::format("SELECT {} FROM request r ", kColumns);
  constexpr char kOrder[] = "ORDER BY r.requested_at DESC, r.id";
  return ReadRows<RequestRecord>(state.has_value()
                                     ? sql_.Exec(select + "WHERE r.state = $1 " + kOrder, *state)
                                     : sql_.Exec(select + kOrder),
                                 Read);
}

absl::StatusOr<RequestRecord> PgRequestStore::Decide(const RequestId& id, v1::RequestState decision,
                                                     const std::string& decided_by,
                                                     const std::string& reason, absl::Time at) {
  if (decision != v1::REQUEST_STATE_APPROVED && decision != v1::REQUEST_STATE_DENIED) {
    return absl::InvalidArgumentError("a request is approved or denied");
  }
  // One statement: of two deciders at once, the second finds no pending row.
  MOORING_ASSIGN_OR_RETURN(
      std::optional<RequestRecord> decided,
      ReadOptional<RequestRecord>(
          sql_.Exec(fmt::format("UPDATE request r SET state = $2, decided_by = $3,"
                                " decision_reason = $4, decided_at = $5 WHERE r.id = $1"
                                " AND r.state = 1 AND r.expires_at > $5 RETURNING {}",
                                kColumns),
                    id, decision, decided_by, reason, at),
          Read));
  if (decided.has_value()) return *std::move(decided);
  MOORING_ASSIGN_OR_RETURN(const std::optional<RequestRecord> there, Get(id, RowLock::kNone));
  if (!there.has_value()) return absl::NotFoundError("no such request");
  switch (there->state) {
    case v1::REQUEST_STATE_APPROVED:
      return absl::FailedPreconditionError("the request is approved already");
    case v1::REQUEST_STATE_DENIED:
      return absl::FailedPreconditionError("the request is denied already");
    default:
      return absl::FailedPreconditionError("the request has expired: make a new one");
  }
}

absl::StatusOr<std::vector<RequestRecord>> PgRequestStore::Expire(absl::Time now) {
  MOORING_ASSIGN_OR_RETURN(
      std::vector<RequestRecord> expired,
      ReadRows<RequestRecord>(
          sql_.Exec(fmt::format("UPDATE request r SET state = 4"
                                " WHERE r.state = 1 AND r.expires_at <= $1 RETURNING {}",
                                kColumns),
                    now),
          Read));
  if (expired.empty()) return expired;
  MOORING_RETURN_IF_ERROR(
      sql_.Exec("UPDATE restore SET state = 6, finished_at = $1, message = 'the request expired'"
                " FROM request r WHERE r.id = restore.request_id AND r.state = 4"
                " AND restore.finished_at IS NULL",
                now)
          .status());
  return expired;
}

std::unique_ptr<RequestStore> MakePgRequestStore(SqlSession& sql) {
  return std::make_unique<PgRequestStore>(sql);
}

}  // namespace mooring::storage
