// ReportService: the compliance report; and the fleet's gauges, which are taken
// from the same evaluation.

#pragma once

#include "mooring/v1/report.grpc.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/server_parts.h"

namespace mooring::server {

// The report at this moment. Empty `group` means all.
absl::StatusOr<v1::GetComplianceReportResponse> MakeComplianceReport(const OpContext& ctx,
                                                                     ServerParts& parts,
                                                                     const std::string& group);

// Takes the fleet's gauges. `server_certificate` ends at that time.
absl::Status RefreshFleetFigures(const OpContext& ctx, ServerParts& parts,
                                 absl::Time server_certificate_expires_at);

class ReportServiceImpl final : public v1::ReportService::Service {
 public:
  ReportServiceImpl(RpcGate& gate, ServerParts& parts) : gate_(gate), parts_(parts) {}

  grpc::Status GetComplianceReport(grpc::ServerContext* context,
                                   const v1::GetComplianceReportRequest* request,
                                   v1::GetComplianceReportResponse* response) override;

 private:
  RpcGate& gate_;
  ServerParts& parts_;
};

}  // namespace mooring::server
