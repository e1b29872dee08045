#include "server/services/fleet_service.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "proto/invitation_token.h"
#include "server/log/json_text.h"
#include "server/rpc/method_names.h"
#include "server/services/lookups.h"
#include "server/services/proto_time.h"
#include "server/services/records.h"
#include "storage/base/status.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/invitation_store.h"
#include "storage/catalog/pack_store.h"
#include "storage/catalog/policy_store.h"
#include "storage/catalog/prune_store.h"
#include "storage/seal/digest.h"

namespace mooring::server {
namespace {

constexpr std::uint32_t kInvitationUsesMax = 10'000;
constexpr absl::Duration kInvitationDefault = absl::Hours(24);
constexpr absl::Duration kInvitationMax = absl::Hours(24 * 90);
constexpr std::size_t kTextBytesMax = 256;

absl::Status CheckText(std::string_view name, const std::string& text, bool required) {
  if (required && text.empty()) {
    return absl::InvalidArgumentError(fmt::format("{} is missing", name));
  }
  if (text.size() > kTextBytesMax) {
    return absl::InvalidArgumentError(fmt::format("{} is over {} bytes", name, kTextBytesMax));
  }
  if (CleanMessage(text) != text) {
    return absl::InvalidArgumentError(fmt::format("{} holds control characters", name));
  }
  return absl::OkStatus();
}

}  // namespace

grpc::Status FleetServiceImpl::GetServerStatus(grpc::ServerContext* context,
                                               const v1::GetServerStatusRequest*,
                                               v1::GetServerStatusResponse* response) {
  return gate_.Unary(method::kGetServerStatus, *context,
                     [&](const Caller&, const OpContext& ctx) { return Status(ctx, *response); });
}

absl::Status FleetServiceImpl::Status(const OpContext& ctx, v1::GetServerStatusResponse& r) {
  MOORING_ASSIGN_OR_RETURN(const StoreRoom room, RoomOf(ctx, parts_));
  MOORING_ASSIGN_OR_RETURN(const auto servers, parts_.peers.Describe(ctx));
  for (const v1::ServerInfo& server : servers) *r.add_servers() = server;
  r.set_version(kServerVersion);
  r.set_organization(parts_.settings.organization);
  *r.mutable_server_time() = ToTimestamp(parts_.clock.Now());
  *r.mutable_started_at() = ToTimestamp(parts_.settings.started_at);
  r.set_single_admin(parts_.settings.single_admin);
  r.set_store_total_bytes(room.total_bytes);
  r.set_store_free_bytes(room.free_bytes);
  r.set_store_reserve_bytes(room.reserve_bytes);
  r.set_agents_online(parts_.hub.online());
  r.set_sessions_running(parts_.slots.held());
  r.set_sessions_max(parts_.slots.sessions_max());
  r.set_sessions_queued(parts_.slots.waiting());
  r.set_database(parts_.settings.database);
  r.set_repository(parts_.settings.repository);
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto packs, tx.packs().Totals());
    MOORING_ASSIGN_OR_RETURN(const auto snapshots, tx.snapshots().Totals());
    MOORING_ASSIGN_OR_RETURN(const auto devices, tx.devices().Count());
    MOORING_ASSIGN_OR_RETURN(const auto people, tx.people().Count());
    MOORING_ASSIGN_OR_RETURN(const auto agents, tx.agents().Count());
    r.set_stored_bytes(packs.bytes);
    r.set_logical_bytes(snapshots.logical_bytes);
    r.set_snapshot_count(snapshots.count);
    r.set_device_count(devices);
    r.set_person_count(people);
    r.set_agent_count(agents);
    MOORING_ASSIGN_OR_RETURN(const auto prune, tx.prunes().Get());
    *r.mutable_pruning() = prune.status;
    r.mutable_pruning()->set_stopped(prune.stopped);
    return absl::OkStatus();
  });
}

grpc::Status FleetServiceImpl::CreateInvitation(grpc::ServerContext* context,
                                                const v1::CreateInvitationRequest* request,
                                                v1::CreateInvitationResponse* response) {
  return gate_.Unary(method::kCreateInvitation, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return Invite(caller, ctx, *request, *response);
                     });
}

absl::Status FleetServiceImpl::Invite(const Caller& caller, const OpContext& ctx,
                                      const v1::CreateInvitationRequest& request,
                                      v1::CreateInvitationResponse& response) {
  MOORING_RETURN_IF_ERROR(CheckText("note", request.note(), false));
  const std::uint32_t uses = request.uses_max() == 0 ? 1 : request.uses_max();
  if (uses > kInvitationUsesMax) {
    return absl::InvalidArgumentError(
        fmt::format("an invitation is good for {} agents at most", kInvitationUsesMax));
  }
  const absl::Duration lifetime =
      request.lifetime_seconds() == 0
          ? kInvitationDefault
          : absl::Seconds(1) * static_cast<double>(request.lifetime_seconds());
  if (lifetime > kInvitationMax) {
    return absl::InvalidArgumentError("an invitation lives for 90 days at most");
  }
  std::array<std::byte, kInvitationSecretBytes> secret;
  parts_.random.Fill(secret);
  storage::InvitationRecord record;
  record.id = storage::InvitationId::Make(parts_.random);
  const auto hash = storage::Sha256(secret);
  record.secret_hash.assign(hash.begin(), hash.end());
  record.uses_max = uses;
  record.note = request.note();
  record.created_by = caller.account;
  record.created_at = parts_.clock.Now();
  record.expires_at = record.created_at + lifetime;
  const absl::Status created =
      parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
        MOORING_RETURN_IF_ERROR(tx.invitations().Create(record));
        return tx.Audit(AuditOf(parts_, caller.actor(), "invitation.create", record.id.hex(),
                                fmt::format(R"({{"uses_max":{}}})", uses)));
      });
  MOORING_RETURN_IF_ERROR(created);
  v1::Invitation invitation;
  invitation.set_secret(secret.data(), secret.size());
  invitation.set_ca_pin(ToString(parts_.authority.pin()));
  invitation.set_address(parts_.addresses.enrollment());
  for (const std::string& address : parts_.peers.OtherEnrollmentAddresses()) {
    invitation.add_more_addresses(address);
  }
  response.set_token(MakeInvitationToken(invitation));
  *response.mutable_invitation() = ToMessage(record);
  return absl::OkStatus();
}

grpc::Status FleetServiceImpl::ListInvitations(grpc::ServerContext* context,
                                               const v1::ListInvitationsRequest*,
                                               v1::ListInvitationsResponse* response) {
  return gate_.Unary(method::kListInvitations, *context, [&](const Caller&, const OpContext& ctx) {
    return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      response->Clear();
      MOORING_ASSIGN_OR_RETURN(const auto records, tx.invitations().List());
      for (const auto& record : records) *response->add_invitations() = ToMessage(record);
      return absl::OkStatus();
    });
  });
}

grpc::Status FleetServiceImpl::RevokeInvitation(grpc::ServerContext* context,
                                                const v1::RevokeInvitationRequest* request,
                                                v1::RevokeInvitationResponse*) {
  return gate_.Unary(
      method::kRevokeInvitation, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const auto id, IdFrom<storage::InvitationId>(request->id(), "id"));
        return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
          MOORING_RETURN_IF_ERROR(tx.invitations().Revoke(id, parts_.clock.Now()));
          return tx.Audit(AuditOf(parts_, caller.actor(), "invitation.revoke", id.hex()));
        });
      });
}

grpc::Status FleetServiceImpl::ListAgents(grpc::ServerContext* context,
                                          const v1::ListAgentsRequest*,
                                          v1::ListAgentsResponse* response) {
  return gate_.Unary(method::kListAgents, *context, [&](const Caller&, const OpContext& ctx) {
    return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      response->Clear();
      MOORING_ASSIGN_OR_RETURN(const auto views, tx.agents().List());
      for (const auto& view : views) *response->add_agents() = ToMessage(view, parts_.hub);
      return absl::OkStatus();
    });
  });
}

grpc::Status FleetServiceImpl::RevokeAgent(grpc::ServerContext* context,
                                           const v1::RevokeAgentRequest* request,
                                           v1::RevokeAgentResponse*) {
  return gate_.Unary(
      method::kRevokeAgent, *context,
      [&](const Caller& caller, const OpContext& ctx) { return RevokeOne(caller, ctx, *request); });
}

absl::Status FleetServiceImpl::RevokeOne(const Caller& caller, const OpContext& ctx,
                                         const v1::RevokeAgentRequest& request) {
  MOORING_ASSIGN_OR_RETURN(const AgentId id, IdFrom<AgentId>(request.agent_id(), "agent_id"));
  MOORING_RETURN_IF_ERROR(CheckText("reason", request.reason(), false));
  const absl::Status revoked =
      parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
        MOORING_RETURN_IF_ERROR(tx.agents().Revoke(id, request.reason(), parts_.clock.Now()));
        MOORING_RETURN_IF_ERROR(tx.devices().DetachAll(id));
        return tx.Audit(AuditOf(parts_, caller.actor(), "agent.revoke", id.hex(),
                                fmt::format(R"({{"reason":{}}})", JsonText(request.reason()))));
      });
  MOORING_RETURN_IF_ERROR(revoked);
  parts_.agent_authenticator.Forget();
  parts_.hub.Close(id, absl::PermissionDeniedError("this agent has been revoked"));
  return absl::OkStatus();
}

grpc::Status FleetServiceImpl::CreatePerson(grpc::ServerContext* context,
                                            const v1::CreatePersonRequest* request,
                                            v1::CreatePersonResponse* response) {
  return gate_.Unary(method::kCreatePerson, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return NewPerson(caller, ctx, *request, *response);
                     });
}

absl::Status FleetServiceImpl::NewPerson(const Caller& caller, const OpContext& ctx,
                                         const v1::CreatePersonRequest& request,
                                         v1::CreatePersonResponse& response) {
  MOORING_RETURN_IF_ERROR(CheckText("handle", request.handle(), true));
  MOORING_RETURN_IF_ERROR(CheckText("name", request.name(), false));
  MOORING_RETURN_IF_ERROR(CheckText("email", request.email(), false));
  storage::PersonView view;
  view.person.id = PersonId::Make(parts_.random);
  view.person.handle = request.handle();
  view.person.name = request.name();
  view.person.email = request.email();
  view.person.group = request.group().empty() ? "default" : request.group();
  view.person.created_at = parts_.clock.Now();
  const absl::Status created =
      parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const auto policy, tx.policies().GetInForce(view.person.group));
        if (!policy) {
          return absl::FailedPreconditionError(
              fmt::format("group \"{}\" has no policy; apply one first with `mooring policy apply`",
                          view.person.group.substr(0, 64)));
        }
        const absl::Status put = tx.people().Create(view.person);
        if (absl::IsAlreadyExists(put)) {
          return absl::AlreadyExistsError(
              fmt::format("there is a person \"{}\" already", view.person.handle));
        }
        MOORING_RETURN_IF_ERROR(put);
        return tx.Audit(AuditOf(parts_, caller.actor(), "person.create", view.person.id.hex(),
                                fmt::format(R"({{"group":{}}})", JsonText(view.person.group))));
      });
  MOORING_RETURN_IF_ERROR(created);
  *response.mutable_person() = ToMessage(view);
  return absl::OkStatus();
}

grpc::Status FleetServiceImpl::ListPeople(grpc::ServerContext* context,
                                          const v1::ListPeopleRequest*,
                                          v1::ListPeopleResponse* response) {
  return gate_.Unary(method::kListPeople, *context, [&](const Caller&, const OpContext& ctx) {
    return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      response->Clear();
      MOORING_ASSIGN_OR_RETURN(const auto views, tx.people().List());
      for (const auto& view : views) *response->add_people() = ToMessage(view);
      return absl::OkStatus();
    });
  });
}

}  // namespace mooring::server
