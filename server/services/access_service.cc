#include "server/services/access_service.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "server/log/json_text.h"
#include "server/rpc/method_names.h"
#include "server/services/lookups.h"
#include "server/services/proto_time.h"
#include "server/services/records.h"
#include "server/services/request_rules.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

// What a restore reads: the snapshot asked for, or the phone's newest.
absl::StatusOr<storage::SnapshotView> SnapshotToRestore(storage::Transaction& tx,
                                                        const v1::CreateRestoreRequest& request,
                                                        const storage::DeviceView& from) {
  if (!request.snapshot_id().empty()) {
    MOORING_ASSIGN_OR_RETURN(const SnapshotId id,
                             IdFrom<SnapshotId>(request.snapshot_id(), "snapshot_id"));
    MOORING_ASSIGN_OR_RETURN(auto snapshot, FindSnapshot(tx, id));
    if (snapshot.snapshot.device != from.device.id) {
      return absl::InvalidArgumentError("that snapshot is of another phone");
    }
    return snapshot;
  }
  MOORING_ASSIGN_OR_RETURN(const auto newest,
                           tx.snapshots().FindNewest(from.device.id, from.device.lineage));
  if (!newest) {
    return absl::NotFoundError("the phone has no snapshot of its present owner to restore");
  }
  return FindSnapshot(tx, newest->id);
}

// A snapshot goes to a phone of the person it is of, or to one that is nobody's yet.
absl::Status CheckTarget(storage::Transaction& tx, const std::string& serial,
                         const storage::SnapshotView& snapshot, const storage::DeviceView& from) {
  if (serial.empty()) return absl::InvalidArgumentError("no phone to restore to was named");
  MOORING_ASSIGN_OR_RETURN(const auto target, tx.devices().Find(serial));
  if (!target) {
    return absl::NotFoundError(
        "the phone to restore to has never been plugged in at an agent; plug it in first");
  }
  if (target->device.person && *target->device.person != snapshot.snapshot.person) {
    return absl::FailedPreconditionError(
        "the phone to restore to belongs to another person than the snapshot");
  }
  const bool current = snapshot.snapshot.lineage == from.device.lineage;
  if (!current && target->device.person != snapshot.snapshot.person) {
    return absl::FailedPreconditionError(
        "that snapshot is of the phone's earlier owner; it can go to a phone of theirs only");
  }
  return absl::OkStatus();
}

}  // namespace

grpc::Status AccessServiceImpl::WhoAmI(grpc::ServerContext* context, const v1::WhoAmIRequest*,
                                       v1::WhoAmIResponse* response) {
  return gate_.Unary(method::kWhoAmI, *context, [&](const Caller& caller, const OpContext&) {
    response->set_user(caller.account);
    *response->mutable_token_expires_at() = ToTimestamp(caller.token_expires_at);
    for (const v1::Permission permission : caller.permissions) {
      response->add_permissions(permission);
    }
    return absl::OkStatus();
  });
}

grpc::Status AccessServiceImpl::CreateRestore(grpc::ServerContext* context,
                                              const v1::CreateRestoreRequest* request,
                                              v1::CreateRestoreResponse* response) {
  return gate_.Unary(method::kCreateRestore, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return NewRestore(caller, ctx, *request, *response);
                     });
}

absl::Status AccessServiceImpl::NewRestore(const Caller& caller, const OpContext& ctx,
                                           const v1::CreateRestoreRequest& request,
                                           v1::CreateRestoreResponse& response) {
  MOORING_RETURN_IF_ERROR(CheckReason(request.reason()));
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto from, FindDevice(tx, request.from_device()));
    MOORING_ASSIGN_OR_RETURN(const auto snapshot, SnapshotToRestore(tx, request, from));
    MOORING_RETURN_IF_ERROR(CheckTarget(tx, request.to_serial(), snapshot, from));
    MOORING_ASSIGN_OR_RETURN(const auto target, FindDevice(tx, request.to_serial()));
    storage::RequestRecord record =
        NewRequest(parts_, caller, v1::REQUEST_KIND_RESTORE, snapshot, request.reason());
    record.target_serial = target.device.serial;
    // An iPhone's restore removes what is not in the backup; an Android phone's adds.
    const bool adds = target.device.platform == v1::PLATFORM_ANDROID;
    record.summary =
        fmt::format("restore {} to phone {}, {}", DescribeSnapshot(snapshot), target.device.serial,
                    adds ? "beside what is on it" : "replacing what is on it");
    MOORING_RETURN_IF_ERROR(tx.requests().Create(record));
    storage::RestoreRecord restore;
    restore.id = storage::RestoreId::Make(parts_.random);
    restore.request = record.id;
    restore.snapshot = record.snapshot;
    restore.target_serial = record.target_serial;
    restore.created_at = record.requested_at;
    MOORING_RETURN_IF_ERROR(tx.requests().CreateRestore(restore));
    *response.mutable_request() = ToMessage(record);
    response.set_restore_id(restore.id.bytes());
    return tx.Audit(AuditOf(parts_, caller.actor(), "request.create", record.id.hex(),
                            fmt::format(R"({{"kind":"restore","snapshot":"{}","target":{}}})",
                                        record.snapshot.hex(), JsonText(record.target_serial))));
  });
}

grpc::Status AccessServiceImpl::GetRestore(grpc::ServerContext* context,
                                           const v1::GetRestoreRequest* request,
                                           v1::GetRestoreResponse* response) {
  return gate_.Unary(method::kGetRestore, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return OneRestore(caller, ctx, *request, *response);
                     });
}

absl::Status AccessServiceImpl::OneRestore(const Caller& caller, const OpContext& ctx,
                                           const v1::GetRestoreRequest& request,
                                           v1::GetRestoreResponse& response) {
  MOORING_ASSIGN_OR_RETURN(const auto id,
                           IdFrom<storage::RestoreId>(request.restore_id(), "restore_id"));
  std::optional<storage::RestoreRecord> restore;
  std::optional<storage::GrantRecord> grant;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(restore, tx.requests().GetRestore(id));
    if (!restore) {
      return absl::NotFoundError("no such restore; `mooring restore status` shows them");
    }
    MOORING_ASSIGN_OR_RETURN(grant, tx.requests().FindGrantByRequest(restore->request));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  *response.mutable_restore() = ToMessage(*restore);
  const bool usable = grant && grant->account == caller.account && !grant->opened_at &&
                      !grant->closed_at && grant->expires_at > parts_.clock.Now() &&
                      restore->state == v1::RESTORE_STATE_WAITING_FOR_DEVICE;
  if (!usable || !caller.Has(v1::PERMISSION_OPERATE)) return absl::OkStatus();
  absl::StatusOr<std::string> code = desk_.CodeOf(ctx, *grant);
  // Opened meanwhile: the answer is as good without.
  if (absl::IsFailedPrecondition(code.status())) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(code.status());
  response.set_grant_code(*std::move(code));
  return absl::OkStatus();
}

grpc::Status AccessServiceImpl::ListRestores(grpc::ServerContext* context,
                                             const v1::ListRestoresRequest*,
                                             v1::ListRestoresResponse* response) {
  return gate_.Unary(method::kListRestores, *context, [&](const Caller&, const OpContext& ctx) {
    return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      response->Clear();
      MOORING_ASSIGN_OR_RETURN(const auto records, tx.requests().ListRestores({}));
      for (const auto& record : records) *response->add_restores() = ToMessage(record);
      return absl::OkStatus();
    });
  });
}

grpc::Status AccessServiceImpl::CreateExport(grpc::ServerContext* context,
                                             const v1::CreateExportRequest* request,
                                             v1::CreateExportResponse* response) {
  return gate_.Unary(method::kCreateExport, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return NewExport(caller, ctx, *request, *response);
                     });
}

absl::Status AccessServiceImpl::NewExport(const Caller& caller, const OpContext& ctx,
                                          const v1::CreateExportRequest& request,
                                          v1::CreateExportResponse& response) {
  MOORING_RETURN_IF_ERROR(CheckReason(request.reason()));
  MOORING_ASSIGN_OR_RETURN(const SnapshotId id,
                           IdFrom<SnapshotId>(request.snapshot_id(), "snapshot_id"));
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto snapshot, FindSnapshot(tx, id));
    storage::RequestRecord record =
        NewRequest(parts_, caller, v1::REQUEST_KIND_EXPORT, snapshot, request.reason());
    record.summary =
        fmt::format("export {} in clear, to {}", DescribeSnapshot(snapshot), caller.account);
    MOORING_RETURN_IF_ERROR(tx.requests().Create(record));
    *response.mutable_request() = ToMessage(record);
    return tx.Audit(AuditOf(parts_, caller.actor(), "request.create", record.id.hex(),
                            fmt::format(R"({{"kind":"export","snapshot":"{}"}})", id.hex())));
  });
}

grpc::Status AccessServiceImpl::RedeemExport(grpc::ServerContext* context,
                                             const v1::RedeemExportRequest* request,
                                             v1::RedeemExportResponse* response) {
  return gate_.Unary(method::kRedeemExport, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return Redeem(caller, ctx, *request, *response);
                     });
}

absl::Status AccessServiceImpl::Redeem(const Caller& caller, const OpContext& ctx,
                                       const v1::RedeemExportRequest& request,
                                       v1::RedeemExportResponse& response) {
  MOORING_ASSIGN_OR_RETURN(const RequestId id,
                           IdFrom<RequestId>(request.request_id(), "request_id"));
  std::optional<storage::GrantRecord> grant;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto record, tx.requests().Get(id));
    if (!record || record->kind != v1::REQUEST_KIND_EXPORT) {
      return absl::NotFoundError("no such export request; `mooring request list` shows them");
    }
    if (record->requested_by != caller.account) {
      return absl::PermissionDeniedError("only the one who asked for the export may redeem it");
    }
    if (record->state != v1::REQUEST_STATE_APPROVED) {
      return absl::FailedPreconditionError("the export has not been approved");
    }
    MOORING_ASSIGN_OR_RETURN(grant, tx.requests().FindGrantByRequest(id));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  if (!grant || !grant->code_hash.empty()) {
    return absl::FailedPreconditionError(
        "the grant code has been given out already; ask for another export");
  }
  if (grant->expires_at <= parts_.clock.Now()) {
    return absl::FailedPreconditionError("the grant has expired; ask for another export");
  }
  MOORING_ASSIGN_OR_RETURN(std::string code, desk_.CodeOf(ctx, *grant));
  response.set_grant_code(std::move(code));
  *response.mutable_expires_at() = ToTimestamp(grant->expires_at);
  return absl::OkStatus();
}

grpc::Status AccessServiceImpl::ListRequests(grpc::ServerContext* context,
                                             const v1::ListRequestsRequest* request,
                                             v1::ListRequestsResponse* response) {
  return gate_.Unary(method::kListRequests, *context, [&](const Caller&, const OpContext& ctx) {
    return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      response->Clear();
      std::optional<v1::RequestState> state;
      if (request->state() != v1::REQUEST_STATE_UNSPECIFIED) state = request->state();
      MOORING_ASSIGN_OR_RETURN(const auto records, tx.requests().List(state));
      for (const auto& record : records) *response->add_requests() = ToMessage(record);
      return absl::OkStatus();
    });
  });
}

}  // namespace mooring::server
