// The part of RetentionService that changes nothing.

#include <utility>

#include "server/compliance/policy_check.h"
#include "server/rpc/method_names.h"
#include "server/services/lookups.h"
#include "server/services/proto_time.h"
#include "server/services/retention_service.h"
#include "storage/base/status.h"
#include "storage/retention/fleet_input.h"
#include "storage/retention/policy_plan.h"
#include "storage/retention/simulate.h"

namespace mooring::server {

grpc::Status RetentionServiceImpl::PlanPolicy(grpc::ServerContext* context,
                                              const v1::PlanPolicyRequest* request,
                                              v1::PlanPolicyResponse* response) {
  return gate_.Unary(
      method::kPlanPolicy, *context, [&](const Caller&, const OpContext& ctx) -> absl::Status {
        const v1::Policy policy = WithDefaults(request->policy());
        MOORING_RETURN_IF_ERROR(Annotate(CheckPolicy(policy), "policy"));
        MOORING_ASSIGN_OR_RETURN(
            *response, storage::PlanPolicyChange(ctx, parts_.catalog, policy, parts_.clock.Now()));
        return absl::OkStatus();
      });
}

grpc::Status RetentionServiceImpl::SimulatePolicy(grpc::ServerContext* context,
                                                  const v1::SimulatePolicyRequest* request,
                                                  v1::SimulatePolicyResponse* response) {
  return gate_.Unary(method::kSimulatePolicy, *context,
                     [&](const Caller&, const OpContext&) -> absl::Status {
                       v1::Policy policy;
                       *policy.mutable_retention() = request->rules();
                       MOORING_RETURN_IF_ERROR(CheckPolicy(WithDefaults(policy)));
                       MOORING_ASSIGN_OR_RETURN(*response, storage::Simulate(*request));
                       return absl::OkStatus();
                     });
}

grpc::Status RetentionServiceImpl::ExplainRetention(grpc::ServerContext* context,
                                                    const v1::ExplainRetentionRequest* request,
                                                    v1::ExplainRetentionResponse* response) {
  return gate_.Unary(method::kExplainRetention, *context, [&](const Caller&, const OpContext& ctx) {
    return Explain(ctx, *request, *response);
  });
}

absl::Status RetentionServiceImpl::Explain(const OpContext& ctx,
                                           const v1::ExplainRetentionRequest& request,
                                           v1::ExplainRetentionResponse& response) {
  std::optional<storage::DeviceRecord> device;
  std::string group;
  storage::DeviceInput input;
  const absl::Time now = parts_.clock.Now();
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    if (request.snapshot_id().empty()) {
      MOORING_ASSIGN_OR_RETURN(auto view, FindDevice(tx, request.device()));
      group = view.group;
      device = std::move(view.device);
    } else {
      MOORING_ASSIGN_OR_RETURN(const SnapshotId id,
                               IdFrom<SnapshotId>(request.snapshot_id(), "snapshot_id"));
      MOORING_ASSIGN_OR_RETURN(const auto view, FindSnapshot(tx, id));
      MOORING_ASSIGN_OR_RETURN(auto of_snapshot, FindDevice(tx, view.serial));
      group = of_snapshot.group;
      device = std::move(of_snapshot.device);
    }
    MOORING_ASSIGN_OR_RETURN(input, storage::ReadDeviceInput(tx, device->id, now));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  *response.mutable_as_of() = ToTimestamp(now);
  response.set_device_id(device->id.bytes());
  response.set_serial(device->serial);
  response.set_group(group);
  auto verdicts = input.JudgeAll();
  for (const auto& [person, of_person] : input.people) {
    if (device->person == person) {
      response.set_policy_version(of_person.policy_version);
      *response.mutable_rules() = of_person.input.rules();
    }
    response.mutable_pauses()->MergeFrom(of_person.input.pauses());
    *response.mutable_holds() = of_person.input.holds();  // The device's, so each time the same.
    *response.mutable_pins() = of_person.input.pins();
  }
  for (const storage::SnapshotView& view : input.views) {
    const std::string id = view.snapshot.id.bytes();
    if (!request.snapshot_id().empty() && request.snapshot_id() != id) continue;
    v1::ExplainedSnapshot& explained = *response.add_snapshots();
    *explained.mutable_verdict() = std::move(verdicts.at(id));
    for (const v1::SnapshotFacts& facts : input.people.at(view.snapshot.person).input.snapshots()) {
      if (facts.snapshot_id() == id) *explained.mutable_snapshot() = facts;
    }
  }
  return absl::OkStatus();
}

}  // namespace mooring::server
