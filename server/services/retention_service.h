// RetentionService: what is kept and why; holds, pins, and the end of a pause.

#pragma once

#include "mooring/v1/retention.grpc.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/server_parts.h"

namespace mooring::server {

class RetentionServiceImpl final : public v1::RetentionService::Service {
 public:
  RetentionServiceImpl(RpcGate& gate, ServerParts& parts) : gate_(gate), parts_(parts) {}

  // retention_questions.cc
  grpc::Status PlanPolicy(grpc::ServerContext* context, const v1::PlanPolicyRequest* request,
                          v1::PlanPolicyResponse* response) override;
  grpc::Status SimulatePolicy(grpc::ServerContext* context,
                              const v1::SimulatePolicyRequest* request,
                              v1::SimulatePolicyResponse* response) override;
  grpc::Status ExplainRetention(grpc::ServerContext* context,
                                const v1::ExplainRetentionRequest* request,
                                v1::ExplainRetentionResponse* response) override;
  // retention_service.cc
  grpc::Status CreateHold(grpc::ServerContext* context, const v1::CreateHoldRequest* request,
                          v1::CreateHoldResponse* response) override;
  grpc::Status ListHolds(grpc::ServerContext* context, const v1::ListHoldsRequest* request,
                         v1::ListHoldsResponse* response) override;
  grpc::Status ReleaseHold(grpc::ServerContext* context, const v1::ReleaseHoldRequest* request,
                           v1::ReleaseHoldResponse* response) override;
  grpc::Status ConfirmHolds(grpc::ServerContext* context, const v1::ConfirmHoldsRequest* request,
                            v1::ConfirmHoldsResponse* response) override;
  grpc::Status PinSnapshot(grpc::ServerContext* context, const v1::PinSnapshotRequest* request,
                           v1::PinSnapshotResponse* response) override;
  grpc::Status ResumePruning(grpc::ServerContext* context, const v1::ResumePruningRequest* request,
                             v1::ResumePruningResponse* response) override;

 private:
  absl::Status Explain(const OpContext& ctx, const v1::ExplainRetentionRequest& request,
                       v1::ExplainRetentionResponse& response);
  absl::Status Place(const Caller& caller, const OpContext& ctx,
                     const v1::CreateHoldRequest& request, v1::CreateHoldResponse& response);
  absl::Status RequestRelease(const Caller& caller, const OpContext& ctx,
                              const v1::ReleaseHoldRequest& request,
                              v1::ReleaseHoldResponse& response);
  absl::Status Pin(const Caller& caller, const OpContext& ctx,
                   const v1::PinSnapshotRequest& request, v1::PinSnapshotResponse& response);
  absl::Status Resume(const Caller& caller, const OpContext& ctx,
                      const v1::ResumePruningRequest& request, v1::ResumePruningResponse& response);

  RpcGate& gate_;
  ServerParts& parts_;
};

}  // namespace mooring::server
