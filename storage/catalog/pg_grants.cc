// Grants and restores of PgRequestStore.

#include <fmt/format.h>

#include "storage/catalog/pg_request_store.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr char kGrantColumns[] =
    "g.id, g.request_id, g.snapshot_id, g.code_hash, g.account, g.agent_id, g.hpke_public_key,"
    " g.created_at, g.expires_at, g.opened_at, g.closed_at";

constexpr char kRestoreColumns[] =
    "r.id, r.request_id, r.snapshot_id, r.target_serial, r.state, r.cause, r.message, r.progress,"
    " r.created_at, r.finished_at, r.file_count, r.bytes";

GrantRecord ReadGrant(SqlReader& row) {
  GrantRecord record;
  record.id = row.IdOf<GrantId>();
  record.request = row.IdOf<RequestId>();
  record.snapshot = row.IdOf<SnapshotId>();
  record.code_hash = row.Blob();
  record.account = row.Text();
  record.agent = row.OptionalIdOf<AgentId>();
  record.hpke_public_key = row.Blob();
  record.created_at = row.Time();
  record.expires_at = row.Time();
  record.opened_at = row.OptionalTime();
  record.closed_at = row.OptionalTime();
  return record;
}

RestoreRecord ReadRestore(SqlReader& row) {
  RestoreRecord record;
  record.id = row.IdOf<RestoreId>();
  record.request = row.IdOf<RequestId>();
  record.snapshot = row.IdOf<SnapshotId>();
  record.target_serial = row.Text();
  record.state = row.Enum<v1::RestoreState>();
  record.cause = row.Enum<v1::Cause>();
  record.message = row.Text();
  record.progress = row.OptionalMessage<v1::Progress>();
  record.created_at = row.Time();
  record.finished_at = row.OptionalTime();
  record.file_count = row.Uint64();
  record.bytes = row.Uint64();
  return record;
}

std::string SelectGrant(const std::string& where) {
  return fmt::format("SELECT {} FROM access_grant g WHERE {}", kGrantColumns, where);
}

std::string SelectRestore(const std::string& where) {
  return fmt::format("SELECT {} FROM restore r WHERE {}", kRestoreColumns, where);
}

absl::Status Finished() {
  return absl::FailedPreconditionError("the restore is finished");
}

}  // namespace

absl::Status PgRequestStore::CreateGrant(const GrantRecord& r) {
  return Touched(
      sql_.Exec("INSERT INTO access_grant (id, request_id, snapshot_id, code_hash, account,"
                " agent_id, hpke_public_key, created_at, expires_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
                r.id, r.request, r.snapshot, NullIfEmpty(r.code_hash), r.account, r.agent,
                NullIfEmpty(r.hpke_public_key), r.created_at, r.expires_at),
      absl::AlreadyExistsError("the request has a grant"));
}

absl::StatusOr<std::optional<GrantRecord>> PgRequestStore::GetGrant(const GrantId& id) {
  return ReadOptional<GrantRecord>(sql_.Exec(SelectGrant("g.id = $1"), id), ReadGrant);
}

absl::StatusOr<std::optional<GrantRecord>> PgRequestStore::FindGrantByRequest(
    const RequestId& request) {
  return ReadOptional<GrantRecord>(sql_.Exec(SelectGrant("g.request_id = $1"), request), ReadGrant);
}

absl::StatusOr<std::optional<GrantRecord>> PgRequestStore::FindGrantByCode(ByteView code_hash,
                                                                           RowLock lock) {
  return ReadOptional<GrantRecord>(
      sql_.Exec(SelectGrant("g.code_hash = $1" + LockClause(lock, "g")), code_hash), ReadGrant);
}

absl::Status PgRequestStore::SetGrantCode(const GrantId& id, ByteView code_hash) {
  return Touched(sql_.Exec("UPDATE access_grant SET code_hash = $2 WHERE id = $1"
                           " AND opened_at IS NULL AND closed_at IS NULL",
                           id, code_hash),
                 absl::FailedPreconditionError("the grant has been used or is closed"));
}

absl::StatusOr<GrantRecord> PgRequestStore::OpenGrant(const GrantId& id,
                                                      const std::optional<AgentId>& agent,
                                                      ByteView hpke_public_key, absl::Time at) {
  // One statement: of two openers at once, one binds it.
  MOORING_ASSIGN_OR_RETURN(
      std::optional<GrantRecord> opened,
      ReadOptional<GrantRecord>(
          sql_.Exec(fmt::format("UPDATE access_grant g SET agent_id = $2, hpke_public_key = $3,"
                                " opened_at = coalesce(g.opened_at, $4) WHERE g.id = $1"
                                " AND g.closed_at IS NULL AND g.expires_at > $4"
                                " AND (g.opened_at IS NULL OR (g.hpke_public_key = $3"
                                "      AND g.agent_id IS NOT DISTINCT FROM $2::bytea))"
                                " RETURNING {}",
                                kGrantColumns),
                    id, agent, hpke_public_key, at),
          ReadGrant));
  if (opened.has_value()) return *std::move(opened);
  MOORING_ASSIGN_OR_RETURN(const std::optional<GrantRecord> there, GetGrant(id));
  if (!there.has_value()) return absl::NotFoundError("no such grant");
  if (there->closed_at.has_value()) {
    return absl::FailedPreconditionError("the grant is closed: ask for a new one");
  }
  if (there->expires_at <= at) {
    return absl::FailedPreconditionError("the grant has expired: ask for a new one");
  }
  return absl::PermissionDeniedError("the grant was opened by another");
}

absl::Status PgRequestStore::CloseGrant(const GrantId& id, absl::Time at) {
  return Touched(
      sql_.Exec("UPDATE access_grant SET closed_at = coalesce(closed_at, $2) WHERE id = $1", id,
                at),
      absl::NotFoundError("no such grant"));
}

absl::Status PgRequestStore::CreateRestore(const RestoreRecord& r) {
  return Touched(
      sql_.Exec("INSERT INTO restore (id, request_id, snapshot_id, target_serial, state, cause,"
                " message, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                " ON CONFLICT DO NOTHING",
                r.id, r.request, r.snapshot, r.target_serial, r.state, r.cause, r.message,
                r.created_at),
      absl::AlreadyExistsError("the request has a restore"));
}

absl::StatusOr<std::optional<RestoreRecord>> PgRequestStore::GetRestore(const RestoreId& id,
                                                                        RowLock lock) {
  return ReadOptional<RestoreRecord>(
      sql_.Exec(SelectRestore("r.id = $1" + LockClause(lock, "r")), id), ReadRestore);
}

absl::StatusOr<std::optional<RestoreRecord>> PgRequestStore::FindRestoreByRequest(
    const RequestId& request) {
  return ReadOptional<RestoreRecord>(sql_.Exec(SelectRestore("r.request_id = $1"), request),
                                     ReadRestore);
}

absl::StatusOr<std::vector<RestoreRecord>> PgRequestStore::ListRestores(
    const RestoreFilter& filter) {
  std::string where = "true";
  std::vector<SqlParam> params;
  if (filter.state.has_value()) {
    params.emplace_back(*filter.state);
    where += fmt::format(" AND r.state = ${}", params.size());
  }
  if (!filter.target_serial.empty()) {
    params.emplace_back(filter.target_serial);
    where += fmt::format(" AND r.target_serial = ${}", params.size());
  }
  return ReadRows<RestoreRecord>(
      sql_.ExecText(SelectRestore(where + " ORDER BY r.created_at DESC, r.id"), params),
      ReadRestore);
}

absl::Status PgRequestStore::SetRestoreState(const RestoreId& id, v1::RestoreState state) {
  return Touched(
      sql_.Exec("UPDATE restore SET state = $2 WHERE id = $1 AND finished_at IS NULL", id, state),
      Finished());
}

absl::Status PgRequestStore::SetRestoreProgress(const RestoreId& id, const v1::Progress& progress) {
  return Touched(sql_.Exec("UPDATE restore SET progress = $2 WHERE id = $1 AND finished_at IS NULL",
                           id, AsBytes(progress.SerializeAsString())),
                 Finished());
}

absl::Status PgRequestStore::FinishRestore(const RestoreId& id, const RestoreResult& result,
                                           absl::Time at) {
  return Touched(sql_.Exec("UPDATE restore SET state = $2, cause = $3, message = $4,"
                           " file_count = $5, bytes = $6, finished_at = $7"
                           " WHERE id = $1 AND finished_at IS NULL",
                           id, result.state, result.cause, result.message, result.file_count,
                           result.bytes, at),
                 Finished());
}

}  // namespace mooring::storage
