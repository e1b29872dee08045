#include "tests/sim/memory_catalog/memory_request_store.h"

#include <algorithm>
#include <tuple>

#include "storage/base/status.h"

namespace mooring::testing {

using storage::RequestRecord;
using storage::RowLock;

absl::Status MemoryRequestStore::Create(const RequestRecord& record) {
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(
      tx_.CheckTexts({record.requested_by, record.reason, record.target_serial, record.summary}));
  MOORING_ASSIGN_OR_RETURN(const bool is_new, t_.request.Insert(tx_, record.id, record));
  return is_new ? absl::OkStatus() : tx_.Fail(Duplicate("request"));
}

absl::StatusOr<std::optional<RequestRecord>> MemoryRequestStore::Get(const RequestId& id,
                                                                     RowLock lock) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const RequestRecord* const row, t_.request.Lock(tx_, id, lock));
  return Copy(row);
}

absl::StatusOr<std::vector<RequestRecord>> MemoryRequestStore::List(
    const std::optional<v1::RequestState>& state) {
  MOORING_STATEMENT(tx_);
  std::vector<RequestRecord> records = Rows(
      tx_, t_.request, [&](const RequestRecord& row) { return !state || row.state == *state; });
  std::sort(records.begin(), records.end(), [](const RequestRecord& a, const RequestRecord& b) {
    return std::tie(b.requested_at, a.id) < std::tie(a.requested_at, b.id);
  });
  return records;
}

absl::StatusOr<RequestRecord> MemoryRequestStore::Decide(const RequestId& id,
                                                         v1::RequestState decision,
                                                         const std::string& decided_by,
                                                         const std::string& reason, absl::Time at) {
  if (decision != v1::REQUEST_STATE_APPROVED && decision != v1::REQUEST_STATE_DENIED) {
    return absl::InvalidArgumentError("a request is approved or denied");
  }
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(tx_.CheckTexts({decided_by, reason}));
  MOORING_ASSIGN_OR_RETURN(const RequestRecord* const row,
                           t_.request.Lock(tx_, id, RowLock::kExclusive));
  if (row == nullptr) return absl::NotFoundError("no such request");
  if (row->state != v1::REQUEST_STATE_PENDING) {
    return absl::FailedPreconditionError("the request is decided already");
  }
  if (row->expires_at <= at) return absl::FailedPreconditionError("the request has expired");
  t_.request.Update(tx_, id, [&](RequestRecord& request) {
    request.state = decision;
    request.decided_by = decided_by;
    request.decision_reason = reason;
    request.decided_at = at;
  });
  return *t_.request.Get(tx_, id);
}

absl::StatusOr<std::vector<RequestRecord>> MemoryRequestStore::Expire(absl::Time now) {
  MOORING_STATEMENT(tx_);
  const auto is_over = [now](const RequestRecord& row) {
    return row.state == v1::REQUEST_STATE_PENDING && row.expires_at <= now;
  };
  std::vector<RequestRecord> expired;
  for (const RequestId& id : KeysOf(tx_, t_.request, is_over)) {
    MOORING_ASSIGN_OR_RETURN(const RequestRecord* const row,
                             t_.request.Lock(tx_, id, RowLock::kExclusive));
    if (row == nullptr || !is_over(*row)) continue;
    t_.request.Update(tx_, id,
                      [](RequestRecord& request) { request.state = v1::REQUEST_STATE_EXPIRED; });
    expired.push_back(*t_.request.Get(tx_, id));
    const storage::RestoreId* const restore = t_.restore_request.Get(tx_, id);
    if (restore == nullptr) continue;
    MOORING_RETURN_IF_ERROR(t_.restore
                                .LockAndUpdate(tx_, storage::RestoreId(*restore),
                                               [now](storage::RestoreRecord& record) {
                                                 if (record.finished_at) return;
                                                 record.state = v1::RESTORE_STATE_DENIED;
                                                 record.finished_at = now;
                                                 record.message = "the request expired";
                                               })
                                .status());
  }
  return expired;
}

std::unique_ptr<storage::RequestStore> MakeMemoryRequestStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryRequestStore>(tx, t);
}

}  // namespace mooring::testing
