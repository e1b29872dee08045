// BackupService: how a session writes one snapshot. The rules of the repository
// are the repository's; here are slots, room, keys and the wire.

#pragma once

#include <vector>

#include "mooring/v1/backup.grpc.pb.h"
#include "mooring/v1/policy.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/server_parts.h"
#include "server/services/session_desk.h"
#include "storage/catalog/device_store.h"

namespace mooring::server {

class BackupServiceImpl final : public v1::BackupService::Service {
 public:
  BackupServiceImpl(RpcGate& gate, ServerParts& parts, SessionDesk& desk)
      : gate_(gate), parts_(parts), desk_(desk) {}

  grpc::Status BeginBackup(grpc::ServerContext* context, const v1::BeginBackupRequest* request,
                           v1::BeginBackupResponse* response) override;
  grpc::Status FindChunks(grpc::ServerContext* context, const v1::FindChunksRequest* request,
                          v1::FindChunksResponse* response) override;
  grpc::Status UploadChunks(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::UploadChunksResponse, v1::UploadChunksRequest>* stream) override;
  grpc::Status ReadBase(grpc::ServerContext* context, const v1::ReadBaseRequest* request,
                        grpc::ServerWriter<v1::ReadBaseResponse>* writer) override;
  grpc::Status CommitSnapshot(grpc::ServerContext* context,
                              const v1::CommitSnapshotRequest* request,
                              v1::CommitSnapshotResponse* response) override;
  grpc::Status AbortBackup(grpc::ServerContext* context, const v1::AbortBackupRequest* request,
                           v1::AbortBackupResponse* response) override;

 private:
  absl::Status Begin(const Caller& caller, const OpContext& ctx,
                     const v1::BeginBackupRequest& request, v1::BeginBackupResponse& response);
  // A phone that may be backed up here, and what policy says of it.
  struct Admitted {
    storage::DeviceRecord device;
    v1::Policy policy;
    std::vector<v1::CaptureKind> captures;
  };
  absl::StatusOr<Admitted> CheckDevice(const Caller& caller, const OpContext& ctx,
                                       const v1::BeginBackupRequest& request);
  absl::Status Grant(const Caller& caller, const OpContext& ctx,
                     const v1::BeginBackupRequest& request, const Admitted& admitted,
                     const StoreRoom& room, v1::SessionGrant& grant);
  absl::StatusOr<Bytes> SealKeys(const Caller& caller, const storage::BegunSession& begun);

  RpcGate& gate_;
  ServerParts& parts_;
  SessionDesk& desk_;
};

}  // namespace mooring::server
