// CareService: scrub, replica, self-backup and drills, for operators.

#pragma once

#include "mooring/v1/care.grpc.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/care_desk.h"
#include "server/services/server_parts.h"

namespace mooring::server {

class CareServiceImpl final : public v1::CareService::Service {
 public:
  CareServiceImpl(RpcGate& gate, ServerParts& parts, CareDesk& desk)
      : gate_(gate), parts_(parts), desk_(desk) {}

  grpc::Status GetRepositoryHealth(grpc::ServerContext* context,
                                   const v1::GetRepositoryHealthRequest* request,
                                   v1::GetRepositoryHealthResponse* response) override;
  grpc::Status ScrubRepository(grpc::ServerContext* context,
                               const v1::ScrubRepositoryRequest* request,
                               grpc::ServerWriter<v1::ScrubRepositoryResponse>* writer) override;
  grpc::Status SyncReplica(grpc::ServerContext* context, const v1::SyncReplicaRequest* request,
                           grpc::ServerWriter<v1::SyncReplicaResponse>* writer) override;
  grpc::Status ExportCatalog(grpc::ServerContext* context, const v1::ExportCatalogRequest* request,
                             v1::ExportCatalogResponse* response) override;
  grpc::Status ListCatalogExports(grpc::ServerContext* context,
                                  const v1::ListCatalogExportsRequest* request,
                                  v1::ListCatalogExportsResponse* response) override;
  grpc::Status ConfirmRebuild(grpc::ServerContext* context,
                              const v1::ConfirmRebuildRequest* request,
                              v1::ConfirmRebuildResponse* response) override;
  grpc::Status ReconcileRepository(
      grpc::ServerContext* context, const v1::ReconcileRepositoryRequest* request,
      grpc::ServerWriter<v1::ReconcileRepositoryResponse>* writer) override;
  grpc::Status RunDrill(grpc::ServerContext* context, const v1::RunDrillRequest* request,
                        grpc::ServerWriter<v1::RunDrillResponse>* writer) override;
  grpc::Status ListDrills(grpc::ServerContext* context, const v1::ListDrillsRequest* request,
                          v1::ListDrillsResponse* response) override;

 private:
  absl::Status AuditOrder(const OpContext& ctx, const Caller& caller, std::string action);
  absl::StatusOr<std::optional<DeviceId>> DeviceOf(const OpContext& ctx, const std::string& name);

  RpcGate& gate_;
  ServerParts& parts_;
  CareDesk& desk_;
};

}  // namespace mooring::server
