#include "server/services/backup_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "proto/rpc_status.h"
#include "server/compliance/policy_check.h"
#include "server/rpc/method_names.h"
#include "server/services/device_facts.h"
#include "server/services/phone_note.h"
#include "server/services/proto_time.h"
#include "server/services/upload_stream.h"
#include "storage/base/status.h"
#include "storage/catalog/person_store.h"
#include "storage/catalog/policy_store.h"
#include "storage/seal/hpke.h"

namespace mooring::server {
namespace {

constexpr std::size_t kIdempotencyKeyBytes = 16;
constexpr int kFindIdsMax = 4096;
constexpr int kReadIdsMax = 1024;
constexpr std::size_t kFactBytesMax = 256;

absl::Status CheckFacts(const v1::DeviceFacts& facts) {
  if (facts.serial().empty() || facts.serial().size() > 128) {
    return absl::InvalidArgumentError("device.serial must be 1 to 128 bytes");
  }
  if (facts.platform() != v1::PLATFORM_IOS && facts.platform() != v1::PLATFORM_ANDROID) {
    return absl::InvalidArgumentError("device.platform is not known");
  }
  if (facts.name().size() > kFactBytesMax || facts.model().size() > kFactBytesMax ||
      facts.os_version().size() > kFactBytesMax) {
    return absl::InvalidArgumentError("a text of device is longer than 256 bytes");
  }
  return absl::OkStatus();
}

absl::Status CheckBegin(const v1::BeginBackupRequest& request) {
  if (request.idempotency_key().size() != kIdempotencyKeyBytes) {
    return absl::InvalidArgumentError("idempotency_key must be 16 bytes");
  }
  if (request.captures_size() == 0 || request.captures_size() > 2) {
    return absl::InvalidArgumentError("captures must name one or two");
  }
  for (const int capture : request.captures()) {
    if (capture != v1::CAPTURE_KIND_FULL && capture != v1::CAPTURE_KIND_PHOTOS) {
      return absl::InvalidArgumentError("captures names one that is not known");
    }
  }
  return CheckFacts(request.device());
}

absl::StatusOr<std::vector<ChunkId>> ChunkIds(
    const google::protobuf::RepeatedPtrField<std::string>& ids, int max) {
  if (ids.size() > max) {
    return absl::InvalidArgumentError(
        fmt::format("{} ids; at most {} in one call", ids.size(), max));
  }
  std::vector<ChunkId> result;
  result.reserve(static_cast<std::size_t>(ids.size()));
  for (const std::string& bytes : ids) {
    MOORING_ASSIGN_OR_RETURN(const ChunkId id, IdFrom<ChunkId>(bytes, "a chunk id"));
    result.push_back(id);
  }
  return result;
}

class GrpcUploadChannel final : public UploadChannel {
 public:
  using Stream = grpc::ServerReaderWriter<v1::UploadChunksResponse, v1::UploadChunksRequest>;
  GrpcUploadChannel(grpc::ServerContext& context, Stream& stream)
      : context_(context), stream_(stream) {}
  bool Read(v1::UploadChunksRequest& request) override { return stream_.Read(&request); }
  bool Write(const v1::UploadChunksResponse& response) override { return stream_.Write(response); }
  void Cancel() override { context_.TryCancel(); }

 private:
  grpc::ServerContext& context_;
  Stream& stream_;
};

}  // namespace

grpc::Status BackupServiceImpl::BeginBackup(grpc::ServerContext* context,
                                            const v1::BeginBackupRequest* request,
                                            v1::BeginBackupResponse* response) {
  return gate_.Unary(method::kBeginBackup, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return Begin(caller, ctx, *request, *response);
                     });
}

absl::Status BackupServiceImpl::Begin(const Caller& caller, const OpContext& ctx,
                                      const v1::BeginBackupRequest& request,
                                      v1::BeginBackupResponse& response) {
  MOORING_RETURN_IF_ERROR(CheckBegin(request));
  const std::string& serial = request.device().serial();
  MOORING_ASSIGN_OR_RETURN(const Admitted admitted, CheckDevice(caller, ctx, request));
  MOORING_ASSIGN_OR_RETURN(const StoreRoom room, RoomOf(ctx, parts_));
  const SlotSeeker seeker{.key = request.idempotency_key() + caller.agent.id.bytes(),
                          .agent = caller.agent.id,
                          .serial = serial};
  if (room.full()) {
    parts_.slots.Release(seeker.key);
    MOORING_RETURN_IF_ERROR(
        desk_.Missed(ctx, serial, v1::CAUSE_SERVER_FULL, "the server's store is full"));
    return WithCause(absl::ResourceExhaustedError(
                         "the server's store has reached its reserve; no new backup begins"),
                     v1::CAUSE_SERVER_FULL, "an administrator must make room");
  }
  const absl::StatusOr<SlotAnswer> slot = parts_.slots.Ask(seeker);
  if (!slot.ok()) {
    MOORING_RETURN_IF_ERROR(
        desk_.Missed(ctx, serial, v1::CAUSE_SERVER_BUSY, "too many phones waited already"));
    return WithCause(slot.status(), v1::CAUSE_SERVER_BUSY, "leave the phone plugged in");
  }
  if (!slot->granted) {
    response.mutable_queued()->set_position(slot->position);
    response.mutable_queued()->set_retry_after_ms(
        static_cast<std::uint32_t>(absl::ToInt64Milliseconds(slot->retry_after)));
    return absl::OkStatus();
  }
  const absl::Status granted =
      Grant(caller, ctx, request, admitted, room, *response.mutable_granted());
  if (granted.ok()) return granted;
  response.Clear();
  parts_.slots.Release(seeker.key);
  if (!absl::IsFailedPrecondition(granted) || ErrorDetailOf(granted)) return granted;
  return WithCause(granted, v1::CAUSE_SERVER_BUSY, "try again when that session has ended");
}

absl::StatusOr<BackupServiceImpl::Admitted> BackupServiceImpl::CheckDevice(
    const Caller& caller, const OpContext& ctx, const v1::BeginBackupRequest& request) {
  MOORING_ASSIGN_OR_RETURN(const v1::DeviceFacts facts, CleanFacts(request.device()));
  std::optional<storage::DeviceRecord> device;
  std::optional<v1::StoredPolicy> policy;
  const DeviceId new_id = DeviceId::Make(parts_.random);
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(device, tx.devices().FindBySerial(facts.serial()));
    if (!device || device->attached_agent != caller.agent.id ||
        IsOtherPhone(device->facts, facts)) {
      MOORING_ASSIGN_OR_RETURN(
          device, NotePhone(parts_, tx, new_id, facts, caller.agent.id, caller.actor()));
    }
    if (!device->person) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(const auto person, tx.people().Get(*device->person));
    if (person) {
      MOORING_ASSIGN_OR_RETURN(policy, tx.policies().GetInForce(person->group));
    }
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  if (WasTakenOver(*device)) {
    return WithCause(absl::FailedPreconditionError(kAnotherPhoneMessage), v1::CAUSE_ANOTHER_PHONE,
                     kAnotherPhoneNextStep);
  }
  if (!device->person) {
    return WithCause(
        absl::FailedPreconditionError("the phone is bound to nobody, so nothing is read from it"),
        v1::CAUSE_NOT_ASSIGNED, "an administrator must run `mooring device assign`");
  }
  Admitted admitted;
  admitted.device = *std::move(device);
  if (policy) admitted.policy = policy->policy();
  const auto refused = [&](const std::string& message, const std::string& next) -> absl::Status {
    MOORING_RETURN_IF_ERROR(desk_.Missed(ctx, facts.serial(), v1::CAUSE_POLICY_REFUSED, message));
    return WithCause(absl::PermissionDeniedError(message), v1::CAUSE_POLICY_REFUSED, next);
  };
  const auto& desks = admitted.policy.roaming().agents();
  if (!desks.empty() &&
      std::find(desks.begin(), desks.end(), caller.agent.hostname) == desks.end()) {
    return refused("policy does not let this phone be backed up at this workstation",
                   "plug it in at a workstation that roaming.agents names");
  }
  std::vector<v1::CaptureKind> asked;
  for (const int capture : request.captures()) {
    asked.push_back(static_cast<v1::CaptureKind>(capture));
  }
  auto captures = AllowedCaptures(admitted.policy, facts.platform(), std::move(asked));
  if (!captures.ok()) {
    return refused(std::string(captures.status().message()), "an administrator may change policy");
  }
  admitted.captures = *std::move(captures);
  return admitted;
}

absl::Status BackupServiceImpl::Grant(const Caller& caller, const OpContext& ctx,
                                      const v1::BeginBackupRequest& request,
                                      const Admitted& admitted, const StoreRoom& room,
                                      v1::SessionGrant& grant) {
  const storage::DeviceRecord& device = admitted.device;
  storage::BeginOptions options;
  options.idempotency_key = ToBytes(request.idempotency_key());
  options.device = device.id;
  options.agent = caller.agent.id;
  options.captures.assign(admitted.captures.begin(), admitted.captures.end());
  options.lease = parts_.settings.lease;
  MOORING_ASSIGN_OR_RETURN(const storage::BegunSession begun,
                           parts_.repository.Begin(ctx, options));
  MOORING_RETURN_IF_ERROR(desk_.Begun(ctx, begun.device));
  MOORING_ASSIGN_OR_RETURN(const Bytes sealed, SealKeys(caller, begun));
  grant.set_phone_encryption(admitted.policy.phone_encryption() == v1::PHONE_ENCRYPTION_UNSPECIFIED
                                 ? v1::PHONE_ENCRYPTION_AS_IS
                                 : admitted.policy.phone_encryption());
  for (const v1::CaptureKind capture : admitted.captures) grant.add_captures(capture);
  grant.mutable_categories();
  for (const v1::Category category : CapturedCategories(admitted.policy)) {
    grant.mutable_categories()->add_captured(category);
  }
  grant.set_session_id(begun.session.bytes());
  grant.set_snapshot_id(begun.snapshot.bytes());
  grant.set_device_id(begun.device.bytes());
  grant.set_sealed_session_keys(ToString(sealed));
  if (begun.base) {
    grant.mutable_base()->set_snapshot_id(begun.base->snapshot.bytes());
    grant.mutable_base()->set_root(ToString(begun.base->root));
  }
  grant.set_quota_bytes(parts_.settings.session_quota_bytes == 0
                            ? room.usable_bytes()
                            : std::min(room.usable_bytes(), parts_.settings.session_quota_bytes));
  grant.set_lease_ms(static_cast<std::uint32_t>(absl::ToInt64Milliseconds(parts_.settings.lease)));
  grant.set_sequence(begun.sequence);
  *grant.mutable_server_time() = ToTimestamp(parts_.clock.Now());

  parts_.slots.Bind(request.idempotency_key() + caller.agent.id.bytes(), begun.session);
  v1::Session session;
  session.set_id(begun.session.bytes());
  session.set_device_id(begun.device.bytes());
  session.set_serial(device.serial);
  session.set_agent_id(caller.agent.id.bytes());
  session.set_agent_hostname(caller.agent.hostname);
  *session.mutable_started_at() = ToTimestamp(parts_.clock.Now());
  session.set_state(v1::SESSION_STATE_OPEN);
  session.set_incremental(begun.base.has_value());
  session.mutable_progress()->set_session_id(begun.session.bytes());
  session.mutable_progress()->set_phase(v1::PHASE_PREPARING);
  session.mutable_progress()->set_percent(-1);
  parts_.board.Put(session);
  parts_.log.Info("session.begin", {{"session", begun.session.hex()},
                                    {"device", begun.device.hex()},
                                    {"agent", caller.agent.id.hex()},
                                    {"sequence", begun.sequence},
                                    {"incremental", begun.base.has_value()}});
  return absl::OkStatus();
}

absl::StatusOr<Bytes> BackupServiceImpl::SealKeys(const Caller& caller,
                                                  const storage::BegunSession& begun) {
  v1::SessionKeys keys;
  keys.set_domain_id(begun.person_domain.id.bytes());
  keys.set_domain_secret(ToString(begun.person_domain.domain_secret.view()));
  keys.set_chunker_secret(ToString(begun.person_domain.chunker_secret.view()));
  keys.set_snapshot_key(ToString(begun.snapshot_key.view()));
  if (begun.base) keys.set_base_snapshot_key(ToString(begun.base->snapshot_key.view()));
  keys.set_organization_domain_id(begun.organization_domain.id.bytes());
  keys.set_organization_domain_secret(ToString(begun.organization_domain.domain_secret.view()));
  keys.set_organization_chunker_secret(ToString(begun.organization_domain.chunker_secret.view()));
  std::string plain = keys.SerializeAsString();
  absl::StatusOr<Bytes> sealed =
      storage::HpkeSeal(parts_.random, caller.agent.hpke_public_key, "mooring/session-keys/1",
                        begun.session.view(), AsBytes(plain));
  // The message and its text held keys in clear.
  for (std::string* secret :
       {&plain, keys.mutable_domain_secret(), keys.mutable_chunker_secret(),
        keys.mutable_snapshot_key(), keys.mutable_base_snapshot_key(),
        keys.mutable_organization_domain_secret(), keys.mutable_organization_chunker_secret()}) {
    WipeText(*secret);
  }
  return sealed;
}

grpc::Status BackupServiceImpl::FindChunks(grpc::ServerContext* context,
                                           const v1::FindChunksRequest* request,
                                           v1::FindChunksResponse* response) {
  return gate_.Unary(
      method::kFindChunks, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const SessionId session,
                                 IdFrom<SessionId>(request->session_id(), "session_id"));
        MOORING_ASSIGN_OR_RETURN(const DomainId domain,
                                 IdFrom<DomainId>(request->domain_id(), "domain_id"));
        MOORING_ASSIGN_OR_RETURN(const auto ids, ChunkIds(request->ids(), kFindIdsMax));
        MOORING_RETURN_IF_ERROR(desk_.CheckOwner(ctx, session, caller.agent.id));
        MOORING_ASSIGN_OR_RETURN(const std::vector<bool> present,
                                 parts_.repository.Find(ctx, session, domain, ids));
        std::string bits((present.size() + 7) / 8, '\0');
        for (std::size_t i = 0; i < present.size(); ++i) {
          if (present[i]) bits[i / 8] = static_cast<char>(bits[i / 8] | (1 << (i % 8)));
        }
        response->set_present(std::move(bits));
        return absl::OkStatus();
      });
}

grpc::Status BackupServiceImpl::UploadChunks(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::UploadChunksResponse, v1::UploadChunksRequest>* stream) {
  return gate_.Stream(method::kUploadChunks, *context,
                      [&](const Caller& caller, const OpContext& ctx) {
                        GrpcUploadChannel channel(*context, *stream);
                        return UploadStream(parts_, caller, channel, gate_.drain()).Run(ctx);
                      });
}

grpc::Status BackupServiceImpl::ReadBase(grpc::ServerContext* context,
                                         const v1::ReadBaseRequest* request,
                                         grpc::ServerWriter<v1::ReadBaseResponse>* writer) {
  return gate_.Stream(
      method::kReadBase, *context, [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const SessionId session,
                                 IdFrom<SessionId>(request->session_id(), "session_id"));
        MOORING_ASSIGN_OR_RETURN(const auto ids, ChunkIds(request->ids(), kReadIdsMax));
        v1::ReadBaseResponse response;
        return parts_.repository.ReadBase(ctx, session, caller.agent.id, ids,
                                          [&](ByteView sealed) -> absl::Status {
                                            response.set_chunk(sealed.data(), sealed.size());
                                            if (!writer->Write(response))
                                              return absl::CancelledError("the agent is gone");
                                            return absl::OkStatus();
                                          });
      });
}

grpc::Status BackupServiceImpl::CommitSnapshot(grpc::ServerContext* context,
                                               const v1::CommitSnapshotRequest* request,
                                               v1::CommitSnapshotResponse* response) {
  return gate_.Unary(
      method::kCommitSnapshot, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const SessionId session,
                                 IdFrom<SessionId>(request->session_id(), "session_id"));
        MOORING_ASSIGN_OR_RETURN(const storage::CommitOutcome outcome,
                                 parts_.repository.Commit(ctx, caller.agent.id, *request));
        if (outcome.receipt) {
          *response->mutable_receipt() = *outcome.receipt;
          parts_.metrics.AddIngest(IngestKind::kLogical, request->logical_bytes());
          desk_.Committed(ctx, session);
          return absl::OkStatus();
        }
        std::string& missing = *response->mutable_missing();
        for (const ChunkId& id : outcome.missing) missing += id.bytes();
        return absl::OkStatus();
      });
}

grpc::Status BackupServiceImpl::AbortBackup(grpc::ServerContext* context,
                                            const v1::AbortBackupRequest* request,
                                            v1::AbortBackupResponse*) {
  return gate_.Unary(
      method::kAbortBackup, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const SessionId session,
                                 IdFrom<SessionId>(request->session_id(), "session_id"));
        return desk_.Abort(ctx, session, caller.agent.id, request->cause(), request->message());
      });
}

}  // namespace mooring::server
