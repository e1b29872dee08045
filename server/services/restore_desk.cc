#include "server/services/restore_desk.h"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/log/json_text.h"
#include "server/services/proto_time.h"
#include "server/services/session_desk.h"
#include "storage/base/status.h"
#include "storage/catalog/device_store.h"
#include "storage/seal/digest.h"

namespace mooring::server {
namespace {

constexpr std::size_t kCodeBytes = 24;

}  // namespace

storage::GrantRecord NewGrant(const ServerParts& parts, const storage::RequestRecord& request) {
  storage::GrantRecord grant;
  grant.id = GrantId::Make(parts.random);
  grant.request = request.id;
  grant.snapshot = request.snapshot;
  grant.account = request.requested_by;
  grant.created_at = parts.clock.Now();
  grant.expires_at = grant.created_at + kGrantLifetime;
  return grant;
}

absl::StatusOr<std::string> RestoreDesk::CodeOf(const OpContext& ctx,
                                                const storage::GrantRecord& grant) {
  if (grant.opened_at || grant.closed_at) {
    return absl::FailedPreconditionError("the grant has been used");
  }
  const auto mac =
      storage::HmacSha256(code_key_.view(), {AsBytes("mooring/grant-code/1"), grant.id.view()});
  std::string code = "mg_" + ToBase64Url(ByteView(mac).first(kCodeBytes));
  const auto hash = storage::Sha256(AsBytes(code));
  if (SecretBytes::Equal(grant.code_hash, hash)) return code;
  const absl::Status set = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.requests().SetGrantCode(grant.id, hash));
    return tx.Audit(AuditOf(parts_, "server", "grant.code", grant.id.hex(),
                            fmt::format(R"({{"account":{}}})", JsonText(grant.account))));
  });
  MOORING_RETURN_IF_ERROR(set);
  return code;
}

absl::Status RestoreDesk::Dispatch(const OpContext& ctx, const std::string& serial) {
  struct Waiting {
    storage::RestoreId restore;
    storage::GrantRecord grant;
  };
  std::vector<Waiting> waiting;
  std::optional<AgentId> agent;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    waiting.clear();
    MOORING_ASSIGN_OR_RETURN(const auto device, tx.devices().FindBySerial(serial));
    if (!device || !device->attached_agent) return absl::OkStatus();
    agent = device->attached_agent;
    storage::RestoreFilter filter;
    filter.state = v1::RESTORE_STATE_WAITING_FOR_DEVICE;
    filter.target_serial = serial;
    MOORING_ASSIGN_OR_RETURN(const auto restores, tx.requests().ListRestores(filter));
    for (const storage::RestoreRecord& restore : restores) {
      MOORING_ASSIGN_OR_RETURN(const auto grant, tx.requests().FindGrantByRequest(restore.request));
      if (grant && !grant->opened_at && !grant->closed_at &&
          grant->expires_at > parts_.clock.Now()) {
        waiting.push_back({restore.id, *grant});
      }
    }
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  if (!agent || waiting.empty()) return absl::OkStatus();
  if (parts_.hub.IsElsewhere(*agent)) {
    v1::ControlResponse order;
    order.mutable_start_restore()->set_serial(serial);
    return parts_.hub.Send(*agent, order);
  }
  if (!parts_.hub.IsHere(*agent)) return absl::OkStatus();
  for (const Waiting& next : waiting) {
    MOORING_ASSIGN_OR_RETURN(const std::string code, CodeOf(ctx, next.grant));
    v1::ControlResponse order;
    order.mutable_start_restore()->set_restore_id(next.restore.bytes());
    order.mutable_start_restore()->set_serial(serial);
    order.mutable_start_restore()->set_grant_code(code);
    MOORING_RETURN_IF_ERROR(parts_.hub.SendHere(*agent, order));
    parts_.log.Info("restore.ordered", {{"restore", next.restore.hex()}, {"agent", agent->hex()}});
  }
  return absl::OkStatus();
}

absl::Status RestoreDesk::Fail(const OpContext& ctx, const storage::RestoreId& restore,
                               const AgentId& agent, v1::Cause cause, const std::string& message) {
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto record,
                             tx.requests().GetRestore(restore, storage::RowLock::kExclusive));
    if (!record || record->finished_at) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(const auto grant, tx.requests().FindGrantByRequest(record->request));
    MOORING_ASSIGN_OR_RETURN(const auto device, tx.devices().FindBySerial(record->target_serial));
    // Only the agent that opened it, or the one that was ordered to.
    const bool opener = grant && grant->agent == agent;
    const bool ordered = grant && !grant->opened_at && device && device->attached_agent == agent;
    if (!opener && !ordered) {
      return absl::PermissionDeniedError("this agent does not run that restore");
    }
    storage::RequestStore::RestoreResult result;
    result.state = v1::RESTORE_STATE_FAILED;
    result.cause = cause;
    result.message = CleanMessage(message);
    MOORING_RETURN_IF_ERROR(tx.requests().FinishRestore(restore, result, parts_.clock.Now()));
    MOORING_RETURN_IF_ERROR(tx.requests().CloseGrant(grant->id, parts_.clock.Now()));
    return tx.Audit(AuditOf(parts_, "agent:" + agent.hex(), "restore.fail", restore.hex(),
                            fmt::format(R"({{"cause":"{}"}})", v1::Cause_Name(cause))));
  });
}

absl::Status RestoreDesk::SetProgress(const OpContext& ctx, const storage::RestoreId& restore,
                                      const AgentId& agent, const v1::Progress& progress) {
  v1::Progress stamped = progress;
  // Agents do not set time.
  *stamped.mutable_updated_at() = ToTimestamp(parts_.clock.Now());
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto record, tx.requests().GetRestore(restore));
    if (!record) return absl::PermissionDeniedError("this agent runs no such restore");
    MOORING_ASSIGN_OR_RETURN(const auto grant, tx.requests().FindGrantByRequest(record->request));
    if (!grant || grant->agent != agent) {
      return absl::PermissionDeniedError("this agent runs no such restore");
    }
    return tx.requests().SetRestoreProgress(restore, stamped);
  });
}

}  // namespace mooring::server
