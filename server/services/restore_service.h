// RestoreService: content is read here and nowhere else, always under a grant
// that names one snapshot and is bound to the first who opens it. Served to
// agents (to a phone) and to accounts (export).

#pragma once

#include "mooring/v1/restore.grpc.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/restore_desk.h"
#include "server/services/server_parts.h"

namespace mooring::server {

class RestoreServiceImpl final : public v1::RestoreService::Service {
 public:
  RestoreServiceImpl(RpcGate& gate, ServerParts& parts) : gate_(gate), parts_(parts) {}

  grpc::Status OpenSnapshot(grpc::ServerContext* context, const v1::OpenSnapshotRequest* request,
                            v1::OpenSnapshotResponse* response) override;
  grpc::Status ReadChunks(grpc::ServerContext* context, const v1::ReadChunksRequest* request,
                          grpc::ServerWriter<v1::ReadChunksResponse>* writer) override;
  grpc::Status FinishRestore(grpc::ServerContext* context, const v1::FinishRestoreRequest* request,
                             v1::FinishRestoreResponse* response) override;

 private:
  absl::Status Open(const Caller& caller, const OpContext& ctx,
                    const v1::OpenSnapshotRequest& request, v1::OpenSnapshotResponse& response);
  absl::Status Finish(const Caller& caller, const OpContext& ctx,
                      const v1::FinishRestoreRequest& request);
  // The grant, if `caller` has opened it and may still use it.
  absl::StatusOr<storage::GrantRecord> OpenedGrant(const Caller& caller, const OpContext& ctx,
                                                   const std::string& grant_id);

  RpcGate& gate_;
  ServerParts& parts_;
};

}  // namespace mooring::server
