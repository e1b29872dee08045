// mooring policy apply|get|list, and what policy_retention.h adds

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/str_join.h>
#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/commands/policy_retention.h"
#include "admin/cli/text.h"
#include "mooring/v1/policy.grpc.pb.h"
#include "proto/yaml_message.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

struct PolicyOptions {
  std::string file;
  std::string group;
};

// The rules that are set, such as "last 3, 7 daily"; without any, all is kept.
std::string RetentionText(const v1::Retention& retention) {
  std::vector<std::string> rules;
  if (retention.keep_last() > 0) rules.push_back(fmt::format("last {}", retention.keep_last()));
  const std::vector<std::pair<std::uint32_t, const char*>> periods = {
      {retention.daily(), "daily"},
      {retention.weekly(), "weekly"},
      {retention.monthly(), "monthly"},
      {retention.yearly(), "yearly"}};
  for (const auto& [count, period] : periods) {
    if (count > 0) rules.push_back(fmt::format("{} {}", count, period));
  }
  return rules.empty() ? "everything" : absl::StrJoin(rules, ", ");
}

absl::StatusOr<ExitCode> Apply(Invocation& run, const PolicyOptions& options) {
  v1::ApplyPolicyRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_policy(), ReadPolicyFile(run.env(), options.file));
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::PolicyService::Stub::ApplyPolicy, request));
  const bool waits = !response.request_id().empty();
  if (run.output().is_structured()) {
    run.output().Print(response);
    return waits ? ExitCode::kWaitingForApproval : ExitCode::kOk;
  }
  if (waits) {
    run.output().PrintLine(ToHex(AsBytes(response.request_id())));
    run.output().Note(fmt::format("Nothing is changed yet: it keeps less ({}). To approve it:",
                                  absl::StrJoin(response.lowered(), ", ")));
    run.output().Note("  mooring request approve " + ToHex(AsBytes(response.request_id())));
    return ExitCode::kWaitingForApproval;
  }
  const v1::StoredPolicy& stored = response.policy();
  run.output().PrintLine(
      response.unchanged()
          ? fmt::format("Policy {} is unchanged at version {}.", stored.policy().group(),
                        stored.version())
          : fmt::format("Policy {} is now version {}.", stored.policy().group(), stored.version()));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Get(Invocation& run, const PolicyOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::GetPolicyRequest request;
  request.set_group(options.group);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::PolicyService::Stub::GetPolicy, request));
  const v1::StoredPolicy& stored = response.policy();
  if (run.output().format() == Format::kJson) {
    run.output().Print(stored);
    return ExitCode::kOk;
  }
  // For people and as YAML: the document, ready to be changed and applied again.
  run.output().PrintLine(fmt::format("# version {}, applied {} by {}", stored.version(),
                                     TimeText(stored.applied_at()), stored.applied_by()));
  run.output().PrintRaw(MessageToYaml(stored.policy()));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> List(Invocation& run) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(
      const auto response,
      connection->Call(&v1::PolicyService::Stub::ListPolicies, v1::ListPoliciesRequest()));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  Table table({{"GROUP"},
               {"VERSION", true},
               {"RPO", true},
               {"KEEPS", false, true},
               {"APPLIED"},
               {"BY", false, true}});
  for (const v1::StoredPolicy& stored : response.policies()) {
    table.AddRow({stored.policy().group(), fmt::format("{}", stored.version()),
                  stored.policy().rpo(), RetentionText(stored.policy().retention()),
                  AgeText(stored.applied_at(), run.now()), stored.applied_by()});
  }
  run.output().Print(table);
  return ExitCode::kOk;
}

}  // namespace

void AddPolicyCommands(CommandTree& tree) {
  CLI::App& policy = tree.AddNoun("policy", "What is backed up, how often and for how long");
  auto apply_options = std::make_shared<PolicyOptions>();
  tree.AddVerb(policy,
               {"apply", "Make a document the policy of its group",
                "mooring policy apply -f default.yaml"},
               [apply_options](Invocation& run) { return Apply(run, *apply_options); })
      .add_option("-f,--file", apply_options->file, "YAML file; - for stdin")
      ->required();
  auto get_options = std::make_shared<PolicyOptions>();
  tree.AddVerb(policy, {"get", "The document in force", "mooring policy get default"},
               [get_options](Invocation& run) { return Get(run, *get_options); })
      .add_option("GROUP", get_options->group, "group of people")
      ->required();
  tree.AddVerb(policy, {"list", "All policies", "mooring policy list"}, List);
  AddPolicyRetention(tree, policy);
}

}  // namespace mooring::admin
