// Grants and restores of MemoryRequestStore.

#include <algorithm>
#include <tuple>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_request_store.h"

namespace mooring::testing {

using storage::GrantRecord;
using storage::RestoreId;
using storage::RestoreRecord;
using storage::RowLock;

absl::Status MemoryRequestStore::CreateGrant(const GrantRecord& record) {
  MOORING_STATEMENT(tx_);
  if (t_.request.Get(tx_, record.request) == nullptr) {
    return tx_.Fail(Violates("access_grant.request_id"));
  }
  const absl::Status exists = absl::AlreadyExistsError("the request has a grant");
  MOORING_ASSIGN_OR_RETURN(const bool id_taken, t_.access_grant.IsTaken(tx_, record.id));
  MOORING_ASSIGN_OR_RETURN(const bool request_taken, t_.grant_request.IsTaken(tx_, record.request));
  if (id_taken || request_taken) return exists;
  if (!record.code_hash.empty()) {
    MOORING_ASSIGN_OR_RETURN(const bool code_free,
                             t_.grant_code.Insert(tx_, record.code_hash, record.id));
    if (!code_free) return exists;
  }
  MOORING_RETURN_IF_ERROR(t_.grant_request.Insert(tx_, record.request, record.id).status());
  GrantRecord row = record;
  row.opened_at.reset();
  row.closed_at.reset();
  return t_.access_grant.Insert(tx_, record.id, row).status();
}

absl::StatusOr<std::optional<GrantRecord>> MemoryRequestStore::GetGrant(const GrantId& id) {
  MOORING_STATEMENT(tx_);
  return Copy(t_.access_grant.Get(tx_, id));
}

absl::StatusOr<std::optional<GrantRecord>> MemoryRequestStore::FindGrantByRequest(
    const RequestId& request) {
  MOORING_STATEMENT(tx_);
  const GrantId* const id = t_.grant_request.Get(tx_, request);
  return Copy(id == nullptr ? nullptr : t_.access_grant.Get(tx_, *id));
}

absl::StatusOr<std::optional<GrantRecord>> MemoryRequestStore::FindGrantByCode(ByteView code_hash,
                                                                               RowLock lock) {
  MOORING_STATEMENT(tx_);
  const GrantId* const found = t_.grant_code.Get(tx_, Owned(code_hash));
  if (found == nullptr) return std::optional<GrantRecord>();
  MOORING_ASSIGN_OR_RETURN(const GrantRecord* const row,
                           t_.access_grant.Lock(tx_, GrantId(*found), lock));
  return Copy(row);
}

absl::Status MemoryRequestStore::SetGrantCode(const GrantId& id, ByteView code_hash) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const GrantRecord* const row,
                           t_.access_grant.Lock(tx_, id, RowLock::kExclusive));
  if (row == nullptr || row->opened_at || row->closed_at) {
    return absl::FailedPreconditionError("the grant has been used or is closed");
  }
  const Bytes code = Owned(code_hash);
  if (row->code_hash == code) return absl::OkStatus();
  if (!row->code_hash.empty()) {
    MOORING_RETURN_IF_ERROR(t_.grant_code.Erase(tx_, row->code_hash).status());
  }
  MOORING_ASSIGN_OR_RETURN(const bool code_free, t_.grant_code.Insert(tx_, code, id));
  if (!code_free) return tx_.Fail(Duplicate("access_grant"));
  t_.access_grant.Update(tx_, id, [&](GrantRecord& grant) { grant.code_hash = code; });
  return absl::OkStatus();
}

absl::StatusOr<GrantRecord> MemoryRequestStore::OpenGrant(const GrantId& id,
                                                          const std::optional<AgentId>& agent,
                                                          ByteView hpke_public_key, absl::Time at) {
  MOORING_STATEMENT(tx_);
  const Bytes key = Owned(hpke_public_key);
  MOORING_ASSIGN_OR_RETURN(const GrantRecord* const row,
                           t_.access_grant.Lock(tx_, id, RowLock::kExclusive));
  if (row == nullptr) return absl::NotFoundError("no such grant");
  if (row->closed_at) return absl::FailedPreconditionError("the grant is closed");
  if (row->expires_at <= at) return absl::FailedPreconditionError("the grant has expired");
  if (row->opened_at && (row->hpke_public_key != key || row->agent != agent)) {
    return absl::PermissionDeniedError("the grant was opened by another");
  }
  t_.access_grant.Update(tx_, id, [&](GrantRecord& grant) {
    grant.agent = agent;
    grant.hpke_public_key = key;
    if (!grant.opened_at) grant.opened_at = at;
  });
  return *t_.access_grant.Get(tx_, id);
}

absl::Status MemoryRequestStore::CloseGrant(const GrantId& id, absl::Time at) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const bool done,
                           t_.access_grant.LockAndUpdate(tx_, id, [at](GrantRecord& grant) {
                             if (!grant.closed_at) grant.closed_at = at;
                           }));
  return done ? absl::OkStatus() : absl::NotFoundError("no such grant");
}

absl::Status MemoryRequestStore::CreateRestore(const RestoreRecord& record) {
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(tx_.CheckTexts({record.target_serial, record.message}));
  if (t_.request.Get(tx_, record.request) == nullptr) {
    return tx_.Fail(Violates("restore.request_id"));
  }
  const absl::Status exists = absl::AlreadyExistsError("the request has a restore");
  MOORING_ASSIGN_OR_RETURN(const bool id_taken, t_.restore.IsTaken(tx_, record.id));
  if (id_taken) return exists;
  MOORING_ASSIGN_OR_RETURN(const bool request_free,
                           t_.restore_request.Insert(tx_, record.request, record.id));
  if (!request_free) return exists;
  RestoreRecord row = record;
  row.progress.reset();
  row.finished_at.reset();
  row.file_count = 0;
  row.bytes = 0;
  return t_.restore.Insert(tx_, record.id, row).status();
}

absl::StatusOr<std::optional<RestoreRecord>> MemoryRequestStore::GetRestore(const RestoreId& id,
                                                                            RowLock lock) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const RestoreRecord* const row, t_.restore.Lock(tx_, id, lock));
  return Copy(row);
}

absl::StatusOr<std::optional<RestoreRecord>> MemoryRequestStore::FindRestoreByRequest(
    const RequestId& request) {
  MOORING_STATEMENT(tx_);
  const RestoreId* const id = t_.restore_request.Get(tx_, request);
  return Copy(id == nullptr ? nullptr : t_.restore.Get(tx_, *id));
}

absl::StatusOr<std::vector<RestoreRecord>> MemoryRequestStore::ListRestores(
    const storage::RestoreFilter& filter) {
  MOORING_STATEMENT(tx_);
  std::vector<RestoreRecord> records = Rows(tx_, t_.restore, [&](const RestoreRecord& row) {
    return (!filter.state || row.state == *filter.state) &&
           (filter.target_serial.empty() || row.target_serial == filter.target_serial);
  });
  std::sort(records.begin(), records.end(), [](const RestoreRecord& a, const RestoreRecord& b) {
    return std::tie(b.created_at, a.id) < std::tie(a.created_at, b.id);
  });
  return records;
}

absl::Status MemoryRequestStore::SetRestoreState(const RestoreId& id, v1::RestoreState state) {
  MOORING_STATEMENT(tx_);
  return UpdateUnfinished(id, [state](RestoreRecord& row) { row.state = state; });
}

absl::Status MemoryRequestStore::SetRestoreProgress(const RestoreId& id,
                                                    const v1::Progress& progress) {
  MOORING_STATEMENT(tx_);
  return UpdateUnfinished(id, [&](RestoreRecord& row) { row.progress = progress; });
}

absl::Status MemoryRequestStore::FinishRestore(const RestoreId& id, const RestoreResult& result,
                                               absl::Time at) {
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(tx_.CheckTexts({result.message}));
  return UpdateUnfinished(id, [&](RestoreRecord& row) {
    row.state = result.state;
    row.cause = result.cause;
    row.message = result.message;
    row.file_count = result.file_count;
    row.bytes = result.bytes;
    row.finished_at = at;
  });
}

}  // namespace mooring::testing
