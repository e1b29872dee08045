// The part of AccessService that decides requests, and what follows from it.

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/log/json_text.h"
#include "server/rpc/method_names.h"
#include "server/services/access_service.h"
#include "server/services/records.h"
#include "server/services/request_rules.h"
#include "storage/base/status.h"
#include "storage/catalog/hold_store.h"
#include "storage/catalog/organization_store.h"
#include "storage/catalog/policy_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/repository/deletion.h"

namespace mooring::server {
namespace {

// The pending request, held against a second decision.
absl::StatusOr<storage::RequestRecord> PendingRequest(storage::Transaction& tx,
                                                      const RequestId& id) {
  MOORING_ASSIGN_OR_RETURN(const auto record, tx.requests().Get(id, storage::RowLock::kExclusive));
  if (!record) return absl::NotFoundError("no such request; `mooring request list` shows them");
  if (record->state != v1::REQUEST_STATE_PENDING) {
    return absl::FailedPreconditionError("the request has been decided, or has expired");
  }
  return *record;
}

// Decided with the approval: a snapshot that a hold or a pin keeps cannot be
// approved to go, and one that was approved cannot be held any more.
absl::Status DecideDeletion(storage::Transaction& tx, const ServerParts& parts,
                            const storage::RequestRecord& request) {
  const absl::Status decided = storage::DecideDeletion(
      tx, request.snapshot, "account:" + request.decided_by, request.reason, parts.clock.Now(),
      [](storage::Transaction&) { return absl::OkStatus(); });
  return absl::IsNotFound(decided) ? absl::OkStatus() : decided;
}

absl::Status ReleaseHold(storage::Transaction& tx, const ServerParts& parts,
                         const storage::RequestRecord& request) {
  if (!request.hold) return absl::InternalError("a request to release no hold");
  MOORING_RETURN_IF_ERROR(tx.holds().Release(*request.hold, request.decided_by, parts.clock.Now()));
  return tx.Audit(AuditOf(parts, "account:" + request.decided_by, "hold.release",
                          request.hold->hex(),
                          fmt::format(R"({{"request":"{}","requested_by":{}}})", request.id.hex(),
                                      JsonText(request.requested_by))));
}

// The document as it was asked for; what the approver saw is what it changes.
absl::Status ApplyPolicy(storage::Transaction& tx, const ServerParts& parts,
                         const storage::RequestRecord& request) {
  if (!request.policy) return absl::InternalError("a request to apply no policy");
  const v1::Policy& policy = request.policy->policy();
  MOORING_ASSIGN_OR_RETURN(const auto in_force, tx.policies().GetInForce(policy.group()));
  if ((in_force ? in_force->version() : 0) != request.policy->version()) {
    return absl::FailedPreconditionError(
        "the group's policy has changed since this was asked for; apply the document again");
  }
  MOORING_ASSIGN_OR_RETURN(const auto applied,
                           tx.policies().Apply(policy, request.requested_by, parts.clock.Now()));
  return tx.Audit(AuditOf(
      parts, "account:" + request.decided_by, "policy.apply", policy.group(),
      fmt::format(R"({{"version":{},"request":"{}","requested_by":{}}})", applied.stored.version(),
                  request.id.hex(), JsonText(request.requested_by))));
}

// What an approval gives, in the transaction of the approval.
absl::Status Execute(storage::Transaction& tx, const ServerParts& parts,
                     const storage::RequestRecord& request) {
  switch (request.kind) {
    case v1::REQUEST_KIND_DELETE_SNAPSHOT:
      return DecideDeletion(tx, parts, request);
    case v1::REQUEST_KIND_RELEASE_HOLD:
      return ReleaseHold(tx, parts, request);
    case v1::REQUEST_KIND_LOWER_RETENTION:
      return ApplyPolicy(tx, parts, request);
    default:
      break;
  }
  MOORING_RETURN_IF_ERROR(tx.requests().CreateGrant(NewGrant(parts, request)));
  if (request.kind != v1::REQUEST_KIND_RESTORE) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const auto restore, tx.requests().FindRestoreByRequest(request.id));
  if (!restore) return absl::InternalError("a restore request without its restore");
  return tx.requests().SetRestoreState(restore->id, v1::RESTORE_STATE_WAITING_FOR_DEVICE);
}

absl::Status Delete(const OpContext& ctx, ServerParts& parts,
                    const storage::RequestRecord& request) {
  const absl::Status deleted = parts.repository.Delete(
      ctx, request.snapshot, "account:" + request.decided_by, request.reason);
  if (deleted.ok()) {
    parts.log.Info("snapshot.delete",
                   {{"snapshot", request.snapshot.hex()}, {"request", request.id.hex()}});
  }
  return absl::IsNotFound(deleted) ? absl::OkStatus() : deleted;
}

}  // namespace

grpc::Status AccessServiceImpl::ApproveRequest(grpc::ServerContext* context,
                                               const v1::ApproveRequestRequest* request,
                                               v1::ApproveRequestResponse* response) {
  return gate_.Unary(method::kApproveRequest, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return Approve(caller, ctx, *request, *response);
                     });
}

absl::Status AccessServiceImpl::Approve(const Caller& caller, const OpContext& ctx,
                                        const v1::ApproveRequestRequest& request,
                                        v1::ApproveRequestResponse& response) {
  MOORING_ASSIGN_OR_RETURN(const RequestId id,
                           IdFrom<RequestId>(request.request_id(), "request_id"));
  std::optional<storage::RequestRecord> decided;
  const absl::Status approved =
      parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const auto record, PendingRequest(tx, id));
        MOORING_ASSIGN_OR_RETURN(const auto organization, tx.organization().Get());
        const bool single_admin = organization && organization->single_admin;
        MOORING_RETURN_IF_ERROR(CheckApprover(record, caller.account, single_admin));
        MOORING_ASSIGN_OR_RETURN(
            decided, tx.requests().Decide(id, v1::REQUEST_STATE_APPROVED, caller.account, "",
                                          parts_.clock.Now()));
        MOORING_RETURN_IF_ERROR(Execute(tx, parts_, *decided));
        return tx.Audit(
            AuditOf(parts_, caller.actor(), "request.approve", id.hex(),
                    fmt::format(R"({{"own_request":{}}})", record.requested_by == caller.account)));
      });
  MOORING_RETURN_IF_ERROR(approved);
  *response.mutable_request() = ToMessage(*decided);
  if (decided->kind == v1::REQUEST_KIND_DELETE_SNAPSHOT) return Delete(ctx, parts_, *decided);
  if (decided->kind == v1::REQUEST_KIND_RESTORE) {
    const absl::Status ordered = desk_.Dispatch(ctx, decided->target_serial);
    if (!ordered.ok()) {
      // It is ordered when the phone or its agent comes again.
      parts_.log.Warning("restore.not_ordered", {{"message", std::string(ordered.message())}});
    }
  }
  return absl::OkStatus();
}

grpc::Status AccessServiceImpl::DenyRequest(grpc::ServerContext* context,
                                            const v1::DenyRequestRequest* request,
                                            v1::DenyRequestResponse* response) {
  return gate_.Unary(method::kDenyRequest, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return Deny(caller, ctx, *request, *response);
                     });
}

absl::Status AccessServiceImpl::Deny(const Caller& caller, const OpContext& ctx,
                                     const v1::DenyRequestRequest& request,
                                     v1::DenyRequestResponse& response) {
  MOORING_ASSIGN_OR_RETURN(const RequestId id,
                           IdFrom<RequestId>(request.request_id(), "request_id"));
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto record, PendingRequest(tx, id));
    MOORING_ASSIGN_OR_RETURN(
        const auto decided,
        tx.requests().Decide(id, v1::REQUEST_STATE_DENIED, caller.account,
                             request.reason().substr(0, 500), parts_.clock.Now()));
    if (record.kind == v1::REQUEST_KIND_RESTORE) {
      MOORING_ASSIGN_OR_RETURN(const auto restore, tx.requests().FindRestoreByRequest(id));
      storage::RequestStore::RestoreResult result;
      result.state = v1::RESTORE_STATE_DENIED;
      result.message = "denied by " + caller.account;
      if (restore) {
        MOORING_RETURN_IF_ERROR(
            tx.requests().FinishRestore(restore->id, result, parts_.clock.Now()));
      }
    }
    *response.mutable_request() = ToMessage(decided);
    return tx.Audit(AuditOf(parts_, caller.actor(), "request.deny", id.hex(),
                            fmt::format(R"({{"reason":{}}})", JsonText(request.reason()))));
  });
}

absl::Status FinishApprovedDeletions(const OpContext& ctx, ServerParts& parts) {
  std::vector<storage::RequestRecord> unfinished;
  const absl::Status read = parts.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    unfinished.clear();
    MOORING_ASSIGN_OR_RETURN(const auto approved, tx.requests().List(v1::REQUEST_STATE_APPROVED));
    for (const storage::RequestRecord& request : approved) {
      if (request.kind != v1::REQUEST_KIND_DELETE_SNAPSHOT) continue;
      MOORING_ASSIGN_OR_RETURN(const auto snapshot, tx.snapshots().Get(request.snapshot));
      if (snapshot && !snapshot->snapshot.deleted_at) unfinished.push_back(request);
    }
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  absl::Status first;
  for (const storage::RequestRecord& request : unfinished) {
    // One that cannot be done holds up no other.
    first.Update(Delete(ctx, parts, request));
  }
  return first;
}

absl::Status ExpireRequests(const OpContext& ctx, ServerParts& parts) {
  return parts.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto expired, tx.requests().Expire(parts.clock.Now()));
    for (const storage::RequestRecord& request : expired) {
      MOORING_RETURN_IF_ERROR(
          tx.Audit(AuditOf(parts, "server", "request.expire", request.id.hex())));
    }
    return absl::OkStatus();
  });
}

}  // namespace mooring::server
