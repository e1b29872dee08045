#include "server/services/report_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/compliance/compliance.h"
#include "server/rpc/method_names.h"
#include "server/services/collection_desk.h"
#include "server/services/lookups.h"
#include "storage/base/status.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/hold_store.h"
#include "storage/catalog/pack_store.h"
#include "storage/catalog/prune_store.h"

namespace mooring::server {

namespace {

void FillPruneFigures(const storage::PruneState& prune, FleetFigures& figures) {
  const v1::PruneStatus& status = prune.status;
  figures.pruning_paused = {{"shrunk", status.paused_shrunk()},
                            {"lost_categories", status.paused_lost_categories()}};
  figures.prune_snapshots = {{"kept", status.kept()},
                             {"dropped", status.dropped()},
                             {"deferred", status.deferred()},
                             {"failed", status.failed()}};
  if (prune.last_run_at) {
    figures.prune_last_run_seconds = absl::ToDoubleSeconds(*prune.last_run_at - absl::UnixEpoch());
  }
  figures.prune_refused = !prune.stopped.empty() || !status.refused().empty();
}

}  // namespace

absl::StatusOr<v1::GetComplianceReportResponse> MakeComplianceReport(const OpContext& ctx,
                                                                     ServerParts& parts,
                                                                     const std::string& group) {
  std::vector<storage::ComplianceFact> facts;
  PolicyMap policies;
  const absl::Status read = parts.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(facts, tx.compliance().Facts(group));
    MOORING_ASSIGN_OR_RETURN(policies, PoliciesInForce(tx));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  v1::GetComplianceReportResponse report = Evaluate(facts, policies, parts.clock.Now());
  report.set_organization(parts.settings.organization);
  return report;
}

absl::Status RefreshFleetFigures(const OpContext& ctx, ServerParts& parts,
                                 absl::Time server_certificate_expires_at) {
  FleetFigures figures;
  MOORING_ASSIGN_OR_RETURN(const auto report, MakeComplianceReport(ctx, parts, ""));
  FillFigures(report, figures);
  MOORING_ASSIGN_OR_RETURN(const StoreRoom room, RoomOf(ctx, parts));
  figures.store_free_bytes = room.free_bytes;
  figures.store_reserve_bytes = room.reserve_bytes;
  const absl::Time now = parts.clock.Now();
  std::vector<storage::AgentView> agents;
  const absl::Status read = parts.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto packs, tx.packs().Totals());
    MOORING_ASSIGN_OR_RETURN(const auto snapshots, tx.snapshots().Totals());
    MOORING_ASSIGN_OR_RETURN(figures.people, tx.people().Count());
    MOORING_ASSIGN_OR_RETURN(agents, tx.agents().List());
    figures.store_used_bytes = packs.bytes;
    figures.snapshots = snapshots.count;
    MOORING_ASSIGN_OR_RETURN(const auto prune, tx.prunes().Get());
    MOORING_ASSIGN_OR_RETURN(const auto holds, tx.holds().List(false));
    figures.holds = holds.size();
    FillPruneFigures(prune, figures);
    MOORING_RETURN_IF_ERROR(FillCollectionFigures(tx, figures));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  for (const char* state : {"online", "offline", "revoked"}) figures.agents[state] = 0;
  for (const storage::AgentView& view : agents) {
    const storage::AgentRecord& agent = view.agent;
    if (agent.revoked_at) {
      ++figures.agents["revoked"];
      continue;
    }
    const bool online = parts.hub.IsOnline(agent.id);
    ++figures.agents[online ? "online" : "offline"];
    const absl::Duration age =
        online ? absl::ZeroDuration() : now - agent.last_seen_at.value_or(agent.enrolled_at);
    figures.oldest_agent_age_seconds =
        std::max(figures.oldest_agent_age_seconds, absl::ToDoubleSeconds(age));
  }
  figures.certificate_expiry_seconds["ca"] =
      absl::ToDoubleSeconds(parts.authority.expires_at() - now);
  figures.certificate_expiry_seconds["server"] =
      absl::ToDoubleSeconds(server_certificate_expires_at - now);
  parts.metrics.SetFleet(std::move(figures));
  return absl::OkStatus();
}

grpc::Status ReportServiceImpl::GetComplianceReport(grpc::ServerContext* context,
                                                    const v1::GetComplianceReportRequest* request,
                                                    v1::GetComplianceReportResponse* response) {
  return gate_.Unary(method::kGetComplianceReport, *context,
                     [&](const Caller&, const OpContext& ctx) -> absl::Status {
                       MOORING_ASSIGN_OR_RETURN(
                           *response, MakeComplianceReport(ctx, parts_, request->group()));
                       return absl::OkStatus();
                     });
}

}  // namespace mooring::server
