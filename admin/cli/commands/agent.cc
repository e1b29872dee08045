// mooring agent invite create|list|revoke, mooring agent list|get|revoke

#include <algorithm>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/resolve.h"
#include "admin/cli/text.h"
#include "mooring/v1/fleet.grpc.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

struct InviteOptions {
  std::uint32_t uses = 1;
  std::string lifetime = "24h";
  std::string note;
};

struct AgentOptions {
  std::string id;
  std::string reason;
};

Cell StateOf(const v1::InvitationRecord& invitation, absl::Time now) {
  if (invitation.revoked()) return {"revoked", Tone::kBad};
  if (invitation.uses() >= invitation.uses_max()) return {"used up"};
  if (ToTime(invitation.expires_at()) <= now) return {"expired", Tone::kWarning};
  return {"open", Tone::kGood};
}

Cell StateOf(const v1::Agent& agent) {
  if (agent.revoked()) return {"revoked", Tone::kBad};
  return agent.online() ? Cell("online", Tone::kGood) : Cell("offline", Tone::kWarning);
}

absl::StatusOr<ExitCode> CreateInvitation(Invocation& run, const InviteOptions& options) {
  v1::CreateInvitationRequest request;
  MOORING_ASSIGN_OR_RETURN(const absl::Duration lifetime, ParseLifetime(options.lifetime));
  request.set_lifetime_seconds(static_cast<std::uint64_t>(absl::ToInt64Seconds(lifetime)));
  request.set_uses_max(options.uses);
  request.set_note(options.note);
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::CreateInvitation, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  // The token alone on stdout, so that it can be captured.
  run.output().PrintLine(response.token());
  const v1::InvitationRecord& invitation = response.invitation();
  run.output().Note(fmt::format(
      "Invitation {} for {}, expires {}. Shown once. On the workstation:", ShortId(invitation.id()),
      CountText(invitation.uses_max(), "agent", "agents"),
      AgeText(invitation.expires_at(), run.now())));
  run.output().Note("  mooring-agent enroll --invite TOKEN");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ListInvitations(Invocation& run) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(
      const auto response,
      connection->Call(&v1::FleetService::Stub::ListInvitations, v1::ListInvitationsRequest()));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  Table table({{"ID"}, {"STATE"}, {"USED", true}, {"EXPIRES"}, {"CREATED"}, {"NOTE", false, true}});
  for (const v1::InvitationRecord& invitation : response.invitations()) {
    table.AddRow({ShortId(invitation.id()), StateOf(invitation, run.now()),
                  fmt::format("{}/{}", invitation.uses(), invitation.uses_max()),
                  AgeText(invitation.expires_at(), run.now()),
                  AgeText(invitation.created_at(), run.now()), invitation.note()});
  }
  run.output().Print(table);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RevokeInvitation(Invocation& run, const AgentOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::RevokeInvitationRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_id(), ResolveInvitation(*connection, options.id));
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::RevokeInvitation, request));
  if (run.output().is_structured()) run.output().Print(response);
  run.output().Note("Invitation " + ShortId(request.id()) + " is revoked.");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ListAgents(Invocation& run) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(
      const auto response,
      connection->Call(&v1::FleetService::Stub::ListAgents, v1::ListAgentsRequest()));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  Table table({{"ID"},
               {"HOST", false, true},
               {"STATE"},
               {"LAST SEEN"},
               {"PHONES", true},
               {"VERSION"},
               {"CERTIFICATE EXPIRES"}});
  for (const v1::Agent& agent : response.agents()) {
    table.AddRow({ShortId(agent.id()), agent.hostname(), StateOf(agent),
                  AgeText(agent.last_seen_at(), run.now()),
                  fmt::format("{}", agent.attached_size()), agent.version(),
                  AgeText(agent.certificate_expires_at(), run.now())});
  }
  run.output().Print(table);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> GetAgent(Invocation& run, const AgentOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(const std::string id, ResolveAgent(*connection, options.id));
  MOORING_ASSIGN_OR_RETURN(
      const auto response,
      connection->Call(&v1::FleetService::Stub::ListAgents, v1::ListAgentsRequest()));
  const auto found = std::find_if(response.agents().begin(), response.agents().end(),
                                  [&](const v1::Agent& agent) { return agent.id() == id; });
  if (found == response.agents().end()) {
    return absl::NotFoundError("there is no agent " + ShortId(id));
  }
  if (run.output().is_structured()) {
    run.output().Print(*found);
    return ExitCode::kOk;
  }
  Table table = FieldTable();
  table.AddRow({"id", ToHex(AsBytes(found->id()))});
  table.AddRow({"host", found->hostname()});
  table.AddRow({"state", StateOf(*found)});
  table.AddRow(
      {"version", fmt::format("{} (protocol {})", found->version(), found->protocol_version())});
  table.AddRow({"system", found->os()});
  table.AddRow({"enrolled", TimeText(found->enrolled_at())});
  table.AddRow({"last seen", AgeText(found->last_seen_at(), run.now())});
  table.AddRow({"certificate expires", AgeText(found->certificate_expires_at(), run.now())});
  for (const std::string& serial : found->attached()) table.AddRow({"plugged in", serial});
  run.output().Print(table);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RevokeAgent(Invocation& run, const AgentOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::RevokeAgentRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_agent_id(), ResolveAgent(*connection, options.id));
  request.set_reason(options.reason);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::RevokeAgent, request));
  if (run.output().is_structured()) run.output().Print(response);
  run.output().Note("Agent " + ShortId(request.agent_id()) +
                    " is revoked: its next call is refused.");
  return ExitCode::kOk;
}

void AddInviteCommands(CommandTree& tree, CLI::App& agent) {
  CLI::App& invite = tree.AddNoun(agent, "invite", "Invitations that let agents enroll");
  auto create_options = std::make_shared<InviteOptions>();
  CLI::App& create = tree.AddVerb(
      invite,
      {"create", "Make an invitation; prints its token once",
       "mooring agent invite create --uses 5 --lifetime 24h --note 'front desk'"},
      [create_options](Invocation& run) { return CreateInvitation(run, *create_options); });
  create.add_option("--uses", create_options->uses, "agents that may use it")
      ->check(CLI::Range(1U, 10'000U))
      ->capture_default_str();
  create.add_option("--lifetime", create_options->lifetime, "for how long, such as 90m, 24h, 7d")
      ->capture_default_str();
  create.add_option("--note", create_options->note, "what it is for");
  tree.AddVerb(invite, {"list", "Invitations, open ones and others", "mooring agent invite list"},
               ListInvitations);
  auto revoke_options = std::make_shared<AgentOptions>();
  tree.AddVerb(
          invite,
          {"revoke", "Let nobody enroll with it any more", "mooring agent invite revoke 3f9a1c"},
          [revoke_options](Invocation& run) { return RevokeInvitation(run, *revoke_options); })
      .add_option("ID", revoke_options->id, "id of the invitation")
      ->required();
}

}  // namespace

void AddAgentCommands(CommandTree& tree) {
  CLI::App& agent = tree.AddNoun("agent", "Agents on workstations");
  AddInviteCommands(tree, agent);
  tree.AddVerb(agent, {"list", "All agents", "mooring agent list"}, ListAgents);
  auto get_options = std::make_shared<AgentOptions>();
  tree.AddVerb(agent,
               {"get", "One agent and the phones plugged in there", "mooring agent get 3f9a1c"},
               [get_options](Invocation& run) { return GetAgent(run, *get_options); })
      .add_option("AGENT", get_options->id, "id or host name")
      ->required();
  auto revoke_options = std::make_shared<AgentOptions>();
  CLI::App& revoke =
      tree.AddVerb(agent,
                   {"revoke", "Refuse its certificate from now on",
                    "mooring agent revoke 3f9a1c --reason 'laptop stolen'"},
                   [revoke_options](Invocation& run) { return RevokeAgent(run, *revoke_options); });
  revoke.add_option("AGENT", revoke_options->id, "id or host name")->required();
  revoke.add_option("--reason", revoke_options->reason, "for the audit record");
}

}  // namespace mooring::admin
