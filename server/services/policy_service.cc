#include "server/services/policy_service.h"

#include <fmt/format.h>

#include "server/compliance/policy_check.h"
#include "server/rpc/method_names.h"
#include "storage/base/status.h"
#include "storage/catalog/policy_store.h"

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
        return response->unchanged() ? absl::OkStatus() : standings_.PushChanges(ctx);
      });
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
