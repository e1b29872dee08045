#include "server/services/agent_service.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "proto/protocol_version.h"
#include "server/rpc/method_names.h"
#include "server/rpc/tls.h"
#include "server/services/device_facts.h"
#include "server/services/phone_note.h"
#include "server/services/proto_time.h"
#include "storage/base/status.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/device_store.h"

namespace mooring::server {
namespace {

constexpr absl::Duration kEventDeadline = absl::Seconds(30);

}  // namespace

OpContext AgentEvents::Context() const {
  return {.deadline = parts_.clock.Now() + kEventDeadline, .stop = {}};
}

absl::StatusOr<v1::ControlResponse> AgentEvents::Hello(const Caller& caller,
                                                       const std::shared_ptr<AgentLink>& link,
                                                       const v1::AgentHello& hello) {
  if (!ServerAcceptsProtocol(kProtocolVersion, hello.protocol_version())) {
    return absl::FailedPreconditionError(
        fmt::format("this server speaks protocol {} and takes agents one version behind at most; "
                    "the agent speaks {}: install another version of it",
                    kProtocolVersion, hello.protocol_version()));
  }
  const AgentId id = caller.agent.id;
  storage::AgentHelloFacts facts;
  facts.hostname = CleanMessage(hello.hostname()).substr(0, 253);
  facts.version = CleanMessage(hello.agent_version()).substr(0, 64);
  facts.os = CleanMessage(hello.os()).substr(0, 128);
  facts.protocol_version = hello.protocol_version();
  const std::uint64_t connection = parts_.hub.NewConnection();
  const absl::Status stored =
      parts_.catalog.Run(Context(), [&](storage::Transaction& tx) -> absl::Status {
        // What admitted it may be a second old, and the revocation another server's.
        MOORING_ASSIGN_OR_RETURN(const auto agent, tx.agents().Get(id));
        if (!agent || agent->revoked_at) {
          return absl::PermissionDeniedError("this agent has been revoked");
        }
        MOORING_RETURN_IF_ERROR(tx.agents().SetHello(id, facts, parts_.clock.Now()));
        MOORING_RETURN_IF_ERROR(parts_.peers.Place(tx, id, connection));
        // It tells anew of every phone that is plugged in.
        return tx.devices().DetachAll(id);
      });
  MOORING_RETURN_IF_ERROR(stored);
  parts_.hub.Connect(id, link, connection);
  parts_.log.Info("agent.online", {{"agent", id.hex()}, {"version", facts.version}});
  v1::ControlResponse response;
  v1::ServerHello& answer = *response.mutable_hello();
  answer.set_server_version(kServerVersion);
  answer.set_protocol_version(kProtocolVersion);
  *answer.mutable_server_time() = ToTimestamp(parts_.clock.Now());
  answer.set_organization(parts_.settings.organization);
  *answer.mutable_servers() = parts_.peers.AgentAddresses();
  return response;
}

absl::Status AgentEvents::Event(const Caller& caller, const v1::ControlRequest& event) {
  switch (event.event_case()) {
    case v1::ControlRequest::kDeviceAttached:
      return Attached(caller, event.device_attached());
    case v1::ControlRequest::kDeviceDetached:
      return Detached(caller, event.device_detached());
    case v1::ControlRequest::kProgress:
      return Progress(caller, event.progress());
    case v1::ControlRequest::kSessionEnded:
      return Ended(caller, event.session_ended());
    case v1::ControlRequest::kHeartbeat:
      return Heard(caller);
    case v1::ControlRequest::kHello:
      return absl::FailedPreconditionError("a second hello on one stream");
    case v1::ControlRequest::EVENT_NOT_SET:
      // From an agent that knows more than we do: no harm.
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status AgentEvents::Attached(const Caller& caller, const v1::DeviceFacts& facts) {
  const absl::StatusOr<v1::DeviceFacts> cleaned = CleanFacts(facts);
  if (!cleaned.ok()) {
    // One odd phone must not cost its agent the stream.
    parts_.log.Warning("device.ignored", {{"agent", caller.agent.id.hex()},
                                          {"message", std::string(cleaned.status().message())}});
    return absl::OkStatus();
  }
  const v1::DeviceFacts& clean = *cleaned;
  const OpContext ctx = Context();
  const DeviceId new_id = DeviceId::Make(parts_.random);
  storage::DeviceRecord device;
  const absl::Status stored =
      parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(
            device, NotePhone(parts_, tx, new_id, clean, caller.agent.id, caller.actor()));
        return absl::OkStatus();
      });
  MOORING_RETURN_IF_ERROR(stored);
  if (WasTakenOver(device)) {
    // A session that runs is of the phone before, and must not go on with this one.
    MOORING_RETURN_IF_ERROR(
        sessions_.Cancel(ctx, device.id, v1::CAUSE_ANOTHER_PHONE, kAnotherPhoneMessage));
  }
  standings_.Push(ctx, clean.serial());
  const absl::Status dispatched = restores_.Dispatch(ctx, clean.serial());
  if (!dispatched.ok()) {
    parts_.log.Warning("restore.not_ordered", {{"message", std::string(dispatched.message())}});
  }
  return absl::OkStatus();
}

absl::Status AgentEvents::Detached(const Caller& caller, const std::string& serial) {
  return parts_.catalog.Run(Context(), [&](storage::Transaction& tx) {
    return tx.devices().Detach(serial, caller.agent.id, parts_.clock.Now());
  });
}

absl::Status AgentEvents::Progress(const Caller& caller, const v1::Progress& progress) {
  v1::Progress clean = progress;
  clean.set_message(CleanMessage(progress.message()));
  const auto session = SessionId::FromBytes(progress.session_id());
  if (session && parts_.board.SetProgress(*session, caller.agent.id, clean)) {
    return absl::OkStatus();
  }
  if (session) {
    // It may have begun at another server.
    MOORING_ASSIGN_OR_RETURN(const bool adopted,
                             sessions_.Adopt(Context(), *session, caller.agent.id));
    if (adopted) {
      parts_.board.SetProgress(*session, caller.agent.id, clean);
      return absl::OkStatus();
    }
  }
  const auto restore = storage::RestoreId::FromBytes(progress.session_id());
  if (!restore) return absl::OkStatus();
  const absl::Status stored = restores_.SetProgress(Context(), *restore, caller.agent.id, clean);
  // Late news of what is over is no fault.
  return absl::IsUnavailable(stored) ? stored : absl::OkStatus();
}

absl::Status AgentEvents::Ended(const Caller& caller, const v1::SessionEnded& ended) {
  const OpContext ctx = Context();
  absl::Status status;
  if (!ended.restore_id().empty()) {
    MOORING_ASSIGN_OR_RETURN(const auto restore,
                             IdFrom<storage::RestoreId>(ended.restore_id(), "restore_id"));
    status = restores_.Fail(ctx, restore, caller.agent.id, ended.cause(), ended.message());
  } else if (!ended.session_id().empty()) {
    MOORING_ASSIGN_OR_RETURN(const SessionId session,
                             IdFrom<SessionId>(ended.session_id(), "session_id"));
    status = sessions_.Abort(ctx, session, caller.agent.id, ended.cause(), ended.message());
  } else {
    status = sessions_.Missed(ctx, ended.serial(), ended.cause(), ended.message());
  }
  if (absl::IsUnavailable(status)) return status;
  if (!status.ok()) {
    parts_.log.Warning("session.end_refused", {{"agent", caller.agent.id.hex()},
                                               {"message", std::string(status.message())}});
  }
  return absl::OkStatus();
}

absl::Status AgentEvents::Heard(const Caller& caller) {
  return parts_.catalog.Run(Context(), [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto agent, tx.agents().Get(caller.agent.id));
    if (!agent || agent->revoked_at) return absl::PermissionDeniedError("revoked");
    return tx.agents().Touch(caller.agent.id, parts_.clock.Now());
  });
}

void AgentEvents::Gone(const Caller& caller, const AgentLink* link) {
  const std::optional<std::uint64_t> connection = parts_.hub.Disconnect(caller.agent.id, link);
  if (!connection) return;
  parts_.log.Info("agent.offline", {{"agent", caller.agent.id.hex()}});
  const absl::Status detached =
      parts_.catalog.Run(Context(), [&](storage::Transaction& tx) -> absl::Status {
        // Connected again, here or at another server, its phones are there.
        MOORING_ASSIGN_OR_RETURN(const bool was_placed,
                                 parts_.peers.Unplace(tx, caller.agent.id, *connection));
        return was_placed ? tx.devices().DetachAll(caller.agent.id) : absl::OkStatus();
      });
  if (!detached.ok()) {
    // Shown only of agents that are online, so nothing wrong is seen meanwhile.
    parts_.log.Warning("agent.detach_failed", {{"message", std::string(detached.message())}});
  }
}

grpc::ServerBidiReactor<v1::ControlRequest, v1::ControlResponse>* AgentServiceImpl::Control(
    grpc::CallbackServerContext* context) {
  ControlAdmission admission;
  admission.admit = [this, evidence = EvidenceOf(*context)] {
    return gate_.Admit(method::kControl, evidence);
  };
  admission.finish = [this](const absl::Status& status, const Caller& caller) {
    // How long an agent stayed connected is no request latency.
    return gate_.Finish(method::kControl, status, caller.actor(), absl::ZeroDuration());
  };
  return ControlStream::Start(events_, executor_, std::move(admission));
}

grpc::Status AgentServiceImpl::RenewCertificate(grpc::ServerContext* context,
                                                const v1::RenewCertificateRequest* request,
                                                v1::RenewCertificateResponse* response) {
  return gate_.Unary(
      method::kRenewCertificate, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const CertificateRequest csr,
                                 CertificateRequest::Parse(AsBytes(request->csr())));
        MOORING_ASSIGN_OR_RETURN(
            IssuedCertificate issued,
            parts_.authority.IssueAgent(caller.agent.id, csr, parts_.clock.Now()));
        const std::string id = caller.agent.id.hex();
        const absl::Status stored =
            parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
              MOORING_RETURN_IF_ERROR(tx.agents().Renew(caller.agent.id, caller.key_hash,
                                                        csr.key_hash(), issued.expires_at));
              return tx.Audit(AuditOf(parts_, caller.actor(), "agent.renew", id));
            });
        MOORING_RETURN_IF_ERROR(stored);
        parts_.agent_authenticator.Forget();
        response->set_certificate_chain(std::move(issued.chain));
        *response->mutable_expires_at() = ToTimestamp(issued.expires_at);
        *response->mutable_servers() = parts_.peers.AgentAddresses();
        return absl::OkStatus();
      });
}

}  // namespace mooring::server
