// AccessService: requests and their approval; restores and exports under grants.

#pragma once

#include "mooring/v1/access.grpc.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/restore_desk.h"
#include "server/services/server_parts.h"

namespace mooring::server {

class AccessServiceImpl final : public v1::AccessService::Service {
 public:
  AccessServiceImpl(RpcGate& gate, ServerParts& parts, RestoreDesk& desk)
      : gate_(gate), parts_(parts), desk_(desk) {}

  grpc::Status WhoAmI(grpc::ServerContext* context, const v1::WhoAmIRequest* request,
                      v1::WhoAmIResponse* response) override;
  grpc::Status CreateRestore(grpc::ServerContext* context, const v1::CreateRestoreRequest* request,
                             v1::CreateRestoreResponse* response) override;
  grpc::Status GetRestore(grpc::ServerContext* context, const v1::GetRestoreRequest* request,
                          v1::GetRestoreResponse* response) override;
  grpc::Status ListRestores(grpc::ServerContext* context, const v1::ListRestoresRequest* request,
                            v1::ListRestoresResponse* response) override;
  grpc::Status CreateExport(grpc::ServerContext* context, const v1::CreateExportRequest* request,
                            v1::CreateExportResponse* response) override;
  grpc::Status RedeemExport(grpc::ServerContext* context, const v1::RedeemExportRequest* request,
                            v1::RedeemExportResponse* response) override;
  grpc::Status ListRequests(grpc::ServerContext* context, const v1::ListRequestsRequest* request,
                            v1::ListRequestsResponse* response) override;
  grpc::Status ApproveRequest(grpc::ServerContext* context,
                              const v1::ApproveRequestRequest* request,
                              v1::ApproveRequestResponse* response) override;
  grpc::Status DenyRequest(grpc::ServerContext* context, const v1::DenyRequestRequest* request,
                           v1::DenyRequestResponse* response) override;

 private:
  absl::Status NewRestore(const Caller& caller, const OpContext& ctx,
                          const v1::CreateRestoreRequest& request,
                          v1::CreateRestoreResponse& response);
  absl::Status OneRestore(const Caller& caller, const OpContext& ctx,
                          const v1::GetRestoreRequest& request, v1::GetRestoreResponse& response);
  absl::Status NewExport(const Caller& caller, const OpContext& ctx,
                         const v1::CreateExportRequest& request,
                         v1::CreateExportResponse& response);
  absl::Status Redeem(const Caller& caller, const OpContext& ctx,
                      const v1::RedeemExportRequest& request, v1::RedeemExportResponse& response);
  absl::Status Approve(const Caller& caller, const OpContext& ctx,
                       const v1::ApproveRequestRequest& request,
                       v1::ApproveRequestResponse& response);
  absl::Status Deny(const Caller& caller, const OpContext& ctx,
                    const v1::DenyRequestRequest& request, v1::DenyRequestResponse& response);

  RpcGate& gate_;
  ServerParts& parts_;
  RestoreDesk& desk_;
};

// Deletes what approved requests say and was not deleted yet: a crash may have
// come between the approval and the deletion.
absl::Status FinishApprovedDeletions(const OpContext& ctx, ServerParts& parts);
// Ends requests whose time is over.
absl::Status ExpireRequests(const OpContext& ctx, ServerParts& parts);

}  // namespace mooring::server
