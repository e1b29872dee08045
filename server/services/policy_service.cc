#include "server/services/policy_service.h"

#include <absl/strings/str_join.h>
#include <fmt/format.h>

#include "server/compliance/policy_check.h"
#include "server/log/json_text.h"
#include "server/rpc/method_names.h"
#include "server/services/request_rules.h"
#include "storage/base/status.h"
#include "storage/catalog/policy_store.h"
#include "storage/catalog/request_store.h"
#include "storage/retention/policy_plan.h"

namespace mooring::server {

grpc::Status PolicyServiceImpl::ApplyPolicy(grpc::ServerContext* context,
                                            const v1::ApplyPolicyRequest* request,
                                            v1::ApplyPolicyResponse* response) {
  return gate_.Unary(
      method::kApplyPolicy, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        const v1::Policy policy = WithDefaults(request->policy());
        MOORING_RETURN_IF_ERROR(Annotate(CheckPolicy(policy), "policy"));
        const absl::Status applied =
            parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
              MOORING_ASSIGN_OR_RETURN(const bool waits, Ask(tx, caller, policy, *response));
              if (waits) return absl::OkStatus();
              MOORING_ASSIGN_OR_RETURN(
                  const auto result,
                  tx.policies().Apply(policy, caller.account, parts_.clock.Now()));
              *response->mutable_policy() = result.stored;
              response->set_unchanged(result.unchanged);
              if (result.unchanged) return absl::OkStatus();
              return tx.Audit(AuditOf(parts_, caller.actor(), "policy.apply", policy.group(),
                                      fmt::format(R"({{"version":{}}})", result.stored.version())));
            });
        MOORING_RETURN_IF_ERROR(applied);
        // Another RPO may make backups due.
        const bool is_old = response->unchanged() || !response->request_id().empty();
        return is_old ? absl::OkStatus() : standings_.PushChanges(ctx);
      });
}

absl::StatusOr<bool> PolicyServiceImpl::Ask(storage::Transaction& tx, const Caller& caller,
                                            const v1::Policy& policy,
                                            v1::ApplyPolicyResponse& response) {
  response.Clear();
  MOORING_ASSIGN_OR_RETURN(const auto lowered, storage::LoweredByPolicy(tx, policy));
  if (lowered.empty()) return false;
  MOORING_ASSIGN_OR_RETURN(const auto in_force, tx.policies().GetInForce(policy.group()));
  storage::RequestRecord record =
      NewRequest(parts_, caller, v1::REQUEST_KIND_LOWER_RETENTION, "policy apply");
  record.policy.emplace();
  *record.policy->mutable_policy() = policy;
  if (in_force) record.policy->set_version(in_force->version());
  record.summary =
      fmt::format("keep less for group {}: {}", policy.group(), absl::StrJoin(lowered, ", "));
  MOORING_RETURN_IF_ERROR(tx.requests().Create(record));
  if (in_force) *response.mutable_policy() = *in_force;
  response.set_request_id(record.id.bytes());
  for (const std::string& one : lowered) response.add_lowered(one);
  MOORING_RETURN_IF_ERROR(
      tx.Audit(AuditOf(parts_, caller.actor(), "request.create", record.id.hex(),
                       fmt::format(R"({{"kind":"lower_retention","group":"{}","lowered":{}}})",
                                   policy.group(), JsonText(absl::StrJoin(lowered, ", "))))));
  return true;
}

grpc::Status PolicyServiceImpl::GetPolicy(grpc::ServerContext* context,
                                          const v1::GetPolicyRequest* request,
                                          v1::GetPolicyResponse* response) {
  return gate_.Unary(method::kGetPolicy, *context, [&](const Caller&, const OpContext& ctx) {
    return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      const std::string group = request->group().empty() ? "default" : request->group();
      MOORING_ASSIGN_OR_RETURN(const auto policy, tx.policies().GetInForce(group));
      if (!policy) {
        return absl::NotFoundError(
            fmt::format("group \"{}\" has no policy; `mooring policy list` shows those that have",
                        group.substr(0, 64)));
      }
      *response->mutable_policy() = *policy;
      return absl::OkStatus();
    });
  });
}

grpc::Status PolicyServiceImpl::ListPolicies(grpc::ServerContext* context,
                                             const v1::ListPoliciesRequest*,
                                             v1::ListPoliciesResponse* response) {
  return gate_.Unary(method::kListPolicies, *context, [&](const Caller&, const OpContext& ctx) {
    return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      response->Clear();
      MOORING_ASSIGN_OR_RETURN(const auto policies, tx.policies().ListInForce());
      for (const auto& policy : policies) *response->add_policies() = policy;
      return absl::OkStatus();
    });
  });
}

}  // namespace mooring::server
