// EnrollmentService: an invitation becomes an agent.

#pragma once

#include <string>

#include "mooring/v1/enrollment.grpc.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/server_parts.h"

namespace mooring::server {

class EnrollmentServiceImpl final : public v1::EnrollmentService::Service {
 public:
  EnrollmentServiceImpl(RpcGate& gate, ServerParts& parts) : gate_(gate), parts_(parts) {}

  grpc::Status Enroll(grpc::ServerContext* context, const v1::EnrollRequest* request,
                      v1::EnrollResponse* response) override;

 private:
  absl::Status DoEnroll(const OpContext& ctx, const v1::EnrollRequest& request,
                        v1::EnrollResponse& response);

  RpcGate& gate_;
  ServerParts& parts_;
};

}  // namespace mooring::server
