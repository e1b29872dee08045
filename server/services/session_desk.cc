#include "server/services/session_desk.h"

#include <optional>
#include <utility>
#include <vector>

#include <absl/strings/ascii.h>

#include "server/services/records.h"
#include "storage/base/status.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/device_store.h"

namespace mooring::server {
namespace {

constexpr std::size_t kMessageBytesMax = 300;

}  // namespace

std::string CleanMessage(const std::string& message) {
  std::string clean;
  for (const char c : message.substr(0, kMessageBytesMax)) {
    clean += absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? ' ' : c;
  }
  return clean;
}

absl::Status SessionDesk::Resume(const OpContext& ctx) {
  std::vector<storage::SessionView> open;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    storage::SessionFilter filter;
    filter.state = v1::SESSION_STATE_OPEN;
    filter.limit = 100'000;
    MOORING_ASSIGN_OR_RETURN(open, tx.sessions().List(filter));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  for (const storage::SessionView& view : open) {
    if (!parts_.hub.IsElsewhere(view.session.agent)) Hold(view);
  }
  return absl::OkStatus();
}

void SessionDesk::Hold(const storage::SessionView& view) {
  const storage::SessionRecord& session = view.session;
  parts_.slots.Resume({.key = ToString(session.idempotency_key) + session.agent.bytes(),
                       .agent = session.agent,
                       .serial = view.serial},
                      session.id);
  parts_.board.Put(ToMessage(view));
}

absl::StatusOr<bool> SessionDesk::Adopt(const OpContext& ctx, const SessionId& session,
                                        const AgentId& agent) {
  std::optional<storage::SessionView> view;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    view.reset();
    MOORING_ASSIGN_OR_RETURN(const auto record, tx.sessions().Get(session));
    if (!record || record->agent != agent || record->state != v1::SESSION_STATE_OPEN) {
      return absl::OkStatus();
    }
    MOORING_ASSIGN_OR_RETURN(const auto device, tx.devices().Get(record->device));
    MOORING_ASSIGN_OR_RETURN(const auto workstation, tx.agents().Get(agent));
    if (device && workstation) view = {*record, device->serial, workstation->hostname};
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  if (!view) return false;
  Hold(*view);
  parts_.log.Info("session.adopted", {{"session", session.hex()}, {"agent", agent.hex()}});
  return true;
}

void SessionDesk::HandOver() {
  for (const v1::Session& session : parts_.board.Running()) {
    const auto id = SessionId::FromBytes(session.id());
    const auto agent = AgentId::FromBytes(session.agent_id());
    if (!id || !agent || !parts_.hub.IsElsewhere(*agent)) continue;
    parts_.board.Forget(*id);
    parts_.slots.Release(*id);
    parts_.log.Info("session.handed_over", {{"session", id->hex()}, {"agent", agent->hex()}});
  }
}

absl::Status SessionDesk::CheckOwner(const OpContext& ctx, const SessionId& session,
                                     const AgentId& agent) {
  std::optional<AgentId> owner;
  const std::optional<v1::Session> running = parts_.board.Find(session);
  if (running) {
    owner = AgentId::FromBytes(running->agent_id());
  } else {
    const absl::Status read =
        parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(const auto record, tx.sessions().Get(session));
          if (record) owner = record->agent;
          return absl::OkStatus();
        });
    MOORING_RETURN_IF_ERROR(read);
  }
  return owner == agent ? absl::OkStatus() : absl::NotFoundError("this agent has no such session");
}

void SessionDesk::Committed(const OpContext& ctx, const SessionId& session) {
  Ended(ctx, session, v1::SESSION_STATE_COMMITTED, v1::CAUSE_UNSPECIFIED, "");
}

absl::Status SessionDesk::Abort(const OpContext& ctx, const SessionId& session,
                                const AgentId& agent, v1::Cause cause, const std::string& message) {
  std::optional<storage::SessionRecord> record;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(record, tx.sessions().Get(session));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  if (!record || record->agent != agent) {
    return absl::NotFoundError("this agent has no such session");
  }
  if (record->state != v1::SESSION_STATE_OPEN) return absl::OkStatus();
  const std::string clean = CleanMessage(message);
  MOORING_RETURN_IF_ERROR(parts_.repository.Abort(ctx, session, agent, cause, clean));
  Ended(ctx, session, v1::SESSION_STATE_ABORTED, cause, clean);
  return absl::OkStatus();
}

absl::Status SessionDesk::Cancel(const OpContext& ctx, const DeviceId& device, v1::Cause cause,
                                 const std::string& message) {
  std::optional<storage::SessionRecord> record;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(record, tx.sessions().FindOpenOfDevice(device));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  if (!record) return absl::OkStatus();
  v1::ControlResponse order;
  order.set_cancel_session(record->id.bytes());
  // An agent that is not connected learns it from its next call.
  parts_.hub.Send(record->agent, order).IgnoreError();
  return Abort(ctx, record->id, record->agent, cause, message);
}

absl::Status SessionDesk::Missed(const OpContext& ctx, const std::string& serial, v1::Cause cause,
                                 const std::string& message) {
  parts_.metrics.CountSessionFailure(cause);
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto device, tx.devices().FindBySerial(serial));
    if (!device) return absl::OkStatus();
    return tx.devices().RecordMiss(device->id, cause, CleanMessage(message), parts_.clock.Now());
  });
}

absl::Status SessionDesk::Expire(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(const int expired, parts_.repository.ExpireSessions(ctx));
  // Another server may have ended some: what the board has is compared, not assumed.
  MOORING_RETURN_IF_ERROR(Compare(ctx, parts_.board.Running()));
  if (expired > 0) {
    parts_.log.Info("session.expired", {{"count", static_cast<std::int64_t>(expired)}});
  }
  return absl::OkStatus();
}

absl::Status SessionDesk::Begun(const OpContext& ctx, const DeviceId& device) {
  std::vector<v1::Session> running = parts_.board.Running();
  std::erase_if(running,
                [&](const v1::Session& session) { return session.device_id() != device.bytes(); });
  return running.empty() ? absl::OkStatus() : Compare(ctx, running);
}

absl::Status SessionDesk::Compare(const OpContext& ctx, const std::vector<v1::Session>& running) {
  std::vector<storage::SessionRecord> over;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    over.clear();
    for (const v1::Session& session : running) {
      const auto id = SessionId::FromBytes(session.id());
      if (!id) continue;
      MOORING_ASSIGN_OR_RETURN(const auto record, tx.sessions().Get(*id));
      if (record && record->state != v1::SESSION_STATE_OPEN) over.push_back(*record);
    }
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  for (const storage::SessionRecord& session : over) {
    if (session.state == v1::SESSION_STATE_EXPIRED) {
      v1::ControlResponse order;
      order.set_cancel_session(session.id.bytes());
      parts_.hub.Send(session.agent, order).IgnoreError();
    }
    Ended(ctx, session.id, session.state, session.cause, session.message);
  }
  return absl::OkStatus();
}

void SessionDesk::StoreProgress(const OpContext& ctx) {
  for (const SessionBoard::Heard& heard : parts_.board.TakeUnstored()) {
    const absl::Status stored = parts_.repository.Touch(ctx, heard.session, heard.agent,
                                                        parts_.settings.lease, &heard.progress);
    if (!stored.ok() && !absl::IsFailedPrecondition(stored) && !absl::IsNotFound(stored)) {
      parts_.log.Warning(
          "session.progress_not_stored",
          {{"session", heard.session.hex()}, {"message", std::string(stored.message())}});
    }
  }
}

void SessionDesk::Ended(const OpContext& ctx, const SessionId& session, v1::SessionState state,
                        v1::Cause cause, const std::string& message) {
  const std::optional<v1::Session> known = parts_.board.Find(session);
  parts_.slots.Release(session);
  // Asked again with the same idempotency key: it was counted then.
  if (!known) return;
  parts_.board.End(session, state, cause, message);
  if (state == v1::SESSION_STATE_COMMITTED) {
    parts_.metrics.CountSnapshot();
  } else {
    parts_.metrics.CountSessionFailure(cause);
  }
  parts_.log.Info("session.end", {{"session", session.hex()},
                                  {"state", v1::SessionState_Name(state)},
                                  {"cause", v1::Cause_Name(cause)}});
  standings_.Push(ctx, known->serial());
}

}  // namespace mooring::server
