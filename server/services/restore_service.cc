#include "server/services/restore_service.h"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "proto/rpc_status.h"
#include "server/log/json_text.h"
#include "server/rpc/method_names.h"
#include "server/services/proto_time.h"
#include "server/services/session_desk.h"
#include "storage/base/status.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/seal/digest.h"
#include "storage/seal/hpke.h"

namespace mooring::server {
namespace {

constexpr int kReadIdsMax = 1024;

// One answer for a code that is unknown, of someone else, or of the wrong kind:
// a guesser learns nothing.
absl::Status NoGrant() {
  return absl::PermissionDeniedError(
      "this grant code is not valid here; ask for a new one with `mooring restore start` or "
      "`mooring snapshot export`");
}

// What a grant's opener must be, by what was asked for.
absl::Status CheckOpener(const Caller& caller, const v1::OpenSnapshotRequest& request,
                         const storage::GrantRecord& grant,
                         const std::optional<storage::RestoreRecord>& restore) {
  if (!restore) {
    // An export: the account that asked, and no phone.
    const bool right = caller.kind == Caller::Kind::kAccount && caller.account == grant.account &&
                       request.target_serial().empty();
    return right ? absl::OkStatus() : NoGrant();
  }
  if (caller.kind != Caller::Kind::kAgent) return NoGrant();
  if (request.target_serial() != restore->target_serial) {
    return absl::FailedPreconditionError("this grant is for another phone");
  }
  if (ToBytes(request.hpke_public_key()) != caller.agent.hpke_public_key) {
    return absl::PermissionDeniedError("the key is not the one that this agent enrolled with");
  }
  return absl::OkStatus();
}

}  // namespace

grpc::Status RestoreServiceImpl::OpenSnapshot(grpc::ServerContext* context,
                                              const v1::OpenSnapshotRequest* request,
                                              v1::OpenSnapshotResponse* response) {
  return gate_.Unary(method::kOpenSnapshot, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return Open(caller, ctx, *request, *response);
                     });
}

absl::Status RestoreServiceImpl::Open(const Caller& caller, const OpContext& ctx,
                                      const v1::OpenSnapshotRequest& request,
                                      v1::OpenSnapshotResponse& response) {
  if (request.hpke_public_key().size() != 32) {
    return absl::InvalidArgumentError("hpke_public_key must be 32 bytes");
  }
  const auto code_hash = storage::Sha256(AsBytes(request.grant_code()));
  const std::optional<AgentId> agent =
      caller.kind == Caller::Kind::kAgent ? std::optional(caller.agent.id) : std::nullopt;
  storage::GrantRecord grant;
  std::optional<storage::RestoreRecord> restore;
  std::optional<storage::SnapshotView> snapshot;
  // The audit row is durable before the key leaves.
  const absl::Status opened =
      parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const auto found, tx.requests().FindGrantByCode(
                                                       code_hash, storage::RowLock::kExclusive));
        if (!found) return NoGrant();
        MOORING_ASSIGN_OR_RETURN(restore, tx.requests().FindRestoreByRequest(found->request));
        MOORING_RETURN_IF_ERROR(CheckOpener(caller, request, *found, restore));
        MOORING_ASSIGN_OR_RETURN(snapshot, tx.snapshots().Get(found->snapshot));
        if (!snapshot || snapshot->snapshot.deleted_at) {
          return absl::NotFoundError("the snapshot has been deleted");
        }
        MOORING_ASSIGN_OR_RETURN(
            grant, tx.requests().OpenGrant(found->id, agent, AsBytes(request.hpke_public_key()),
                                           parts_.clock.Now()));
        if (restore) {
          MOORING_RETURN_IF_ERROR(
              tx.requests().SetRestoreState(restore->id, v1::RESTORE_STATE_RUNNING));
        }
        return tx.Audit(AuditOf(parts_, caller.actor(), "snapshot.open", grant.snapshot.hex(),
                                fmt::format(R"({{"grant":"{}","target":{}}})", grant.id.hex(),
                                            JsonText(request.target_serial()))));
      });
  MOORING_RETURN_IF_ERROR(opened);
  MOORING_ASSIGN_OR_RETURN(const auto content, parts_.repository.OpenSnapshot(ctx, grant.snapshot));
  MOORING_ASSIGN_OR_RETURN(
      const Bytes sealed,
      storage::HpkeSeal(parts_.random, AsBytes(request.hpke_public_key()), "mooring/snapshot-key/1",
                        grant.snapshot.view(), content.snapshot_key.view()));
  response.set_grant_id(grant.id.bytes());
  response.set_snapshot_id(grant.snapshot.bytes());
  response.set_root(ToString(content.root));
  response.set_sealed_snapshot_key(ToString(sealed));
  *response.mutable_device() = snapshot->snapshot.device_facts;
  *response.mutable_expires_at() = ToTimestamp(grant.expires_at);
  if (restore) response.set_restore_id(restore->id.bytes());
  parts_.log.Info(
      "snapshot.open",
      {{"snapshot", grant.snapshot.hex()}, {"grant", grant.id.hex()}, {"actor", caller.actor()}});
  return absl::OkStatus();
}

absl::StatusOr<storage::GrantRecord> RestoreServiceImpl::OpenedGrant(const Caller& caller,
                                                                     const OpContext& ctx,
                                                                     const std::string& grant_id) {
  MOORING_ASSIGN_OR_RETURN(const GrantId id, IdFrom<GrantId>(grant_id, "grant_id"));
  std::optional<storage::GrantRecord> grant;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(grant, tx.requests().GetGrant(id));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  const bool owner = grant && (caller.kind == Caller::Kind::kAgent
                                   ? grant->agent == caller.agent.id
                                   : !grant->agent && grant->account == caller.account);
  if (!owner || !grant->opened_at) return NoGrant();
  if (grant->closed_at) return absl::FailedPreconditionError("the grant has been closed");
  if (grant->expires_at <= parts_.clock.Now()) {
    return absl::FailedPreconditionError("the grant has expired; ask for a new one");
  }
  return *std::move(grant);
}

grpc::Status RestoreServiceImpl::ReadChunks(grpc::ServerContext* context,
                                            const v1::ReadChunksRequest* request,
                                            grpc::ServerWriter<v1::ReadChunksResponse>* writer) {
  return gate_.Stream(
      method::kReadChunks, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const storage::GrantRecord grant,
                                 OpenedGrant(caller, ctx, request->grant_id()));
        if (request->ids_size() > kReadIdsMax) {
          return absl::InvalidArgumentError(
              fmt::format("{} ids; at most {} in one call", request->ids_size(), kReadIdsMax));
        }
        std::vector<ChunkId> ids;
        for (const std::string& bytes : request->ids()) {
          MOORING_ASSIGN_OR_RETURN(const ChunkId id, IdFrom<ChunkId>(bytes, "a chunk id"));
          ids.push_back(id);
        }
        v1::ReadChunksResponse response;
        return parts_.repository.ReadChunks(ctx, grant.snapshot, ids,
                                            [&](ByteView sealed) -> absl::Status {
                                              response.set_chunk(sealed.data(), sealed.size());
                                              if (!writer->Write(response))
                                                return absl::CancelledError("the reader is gone");
                                              return absl::OkStatus();
                                            });
      });
}

grpc::Status RestoreServiceImpl::FinishRestore(grpc::ServerContext* context,
                                               const v1::FinishRestoreRequest* request,
                                               v1::FinishRestoreResponse*) {
  return gate_.Unary(
      method::kFinishRestore, *context,
      [&](const Caller& caller, const OpContext& ctx) { return Finish(caller, ctx, *request); });
}

absl::Status RestoreServiceImpl::Finish(const Caller& caller, const OpContext& ctx,
                                        const v1::FinishRestoreRequest& request) {
  MOORING_ASSIGN_OR_RETURN(const storage::GrantRecord grant,
                           OpenedGrant(caller, ctx, request.grant_id()));
  const absl::Time now = parts_.clock.Now();
  storage::RequestStore::RestoreResult result;
  result.state = request.succeeded() ? v1::RESTORE_STATE_SUCCEEDED : v1::RESTORE_STATE_FAILED;
  result.cause = request.cause();
  result.message = CleanMessage(request.message());
  result.file_count = request.file_count();
  result.bytes = request.bytes();
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.requests().CloseGrant(grant.id, now));
    MOORING_ASSIGN_OR_RETURN(const auto restore, tx.requests().FindRestoreByRequest(grant.request));
    if (restore) MOORING_RETURN_IF_ERROR(tx.requests().FinishRestore(restore->id, result, now));
    return tx.Audit(
        AuditOf(parts_, caller.actor(), restore ? "restore.finish" : "export.finish",
                restore ? restore->id.hex() : grant.id.hex(),
                fmt::format(R"({{"succeeded":{},"files":{},"bytes":{}}})", request.succeeded(),
                            request.file_count(), request.bytes())));
  });
}

}  // namespace mooring::server
