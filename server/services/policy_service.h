// PolicyService: the document that each group is held to.

#pragma once

#include "mooring/v1/policy.grpc.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/server_parts.h"
#include "server/services/standings.h"

namespace mooring::server {

class PolicyServiceImpl final : public v1::PolicyService::Service {
 public:
  PolicyServiceImpl(RpcGate& gate, ServerParts& parts, Standings& standings)
      : gate_(gate), parts_(parts), standings_(standings) {}

  grpc::Status ApplyPolicy(grpc::ServerContext* context, const v1::ApplyPolicyRequest* request,
                           v1::ApplyPolicyResponse* response) override;
  grpc::Status GetPolicy(grpc::ServerContext* context, const v1::GetPolicyRequest* request,
                         v1::GetPolicyResponse* response) override;
  grpc::Status ListPolicies(grpc::ServerContext* context, const v1::ListPoliciesRequest* request,
                            v1::ListPoliciesResponse* response) override;

 private:
  // Makes a request where the policy keeps less of what there is: true, and nothing
  // is applied.
  absl::StatusOr<bool> Ask(storage::Transaction& tx, const Caller& caller, const v1::Policy& policy,
                           v1::ApplyPolicyResponse& response);

  RpcGate& gate_;
  ServerParts& parts_;
  Standings& standings_;
};

}  // namespace mooring::server
