// Sessions: from the reservation to their end without a snapshot.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/collection_store.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/key_store.h"
#include "storage/catalog/pack_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/audit_detail.h"
#include "storage/repository/chunk_set.h"
#include "storage/repository/epoch.h"
#include "storage/repository/plain_text.h"
#include "storage/repository/repository_impl.h"
#include "storage/repository/session_pack_upload.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kSnapshotKeyBytes = 32;
constexpr std::size_t kMessageBytesMax = 1024;
constexpr std::size_t kProgressBytesMax = 8 << 10;
constexpr int kAttemptsMax = 3;
// Finds of a session before what they noted is made one.
constexpr std::uint64_t kTouchRowsMax = 256;

std::string ActorOf(const AgentId& agent) {
  return fmt::format("agent:{}", agent.hex());
}

absl::Status CheckBeginOptions(const BeginOptions& options) {
  if (options.idempotency_key.size() != 16) {
    return absl::InvalidArgumentError("begin: idempotency_key is not 16 bytes");
  }
  if (options.captures.empty() || options.captures.size() > 2) {
    return absl::InvalidArgumentError("begin: captures is empty or too long");
  }
  for (const int kind : options.captures) {
    if (kind != v1::CAPTURE_KIND_FULL && kind != v1::CAPTURE_KIND_PHOTOS) {
      return absl::InvalidArgumentError("begin: captures has an unknown kind");
    }
  }
  if (options.captures.size() == 2 && options.captures[0] == options.captures[1]) {
    return absl::InvalidArgumentError("begin: captures names a kind twice");
  }
  if (options.lease <= absl::ZeroDuration() || options.lease > kLeaseMax) {
    return absl::InvalidArgumentError("begin: the lease is not within a day");
  }
  return absl::OkStatus();
}

absl::Status CheckSameRequest(const SessionRecord& session, const BeginOptions& options) {
  if (session.device != options.device || session.agent != options.agent ||
      session.captures != options.captures) {
    return absl::InvalidArgumentError("begin: the idempotency key belongs to another request");
  }
  if (session.state != v1::SESSION_STATE_OPEN) {
    return absl::FailedPreconditionError("begin: the session of this idempotency key is over");
  }
  return absl::OkStatus();
}

// A hint to the collector, which spares the session from uploading what it was
// just told is there; nothing is safe because of it.
absl::Status NoteTouched(Transaction& tx, const SessionId& session, const ChunkSet& touched) {
  MOORING_ASSIGN_OR_RETURN(const std::uint64_t rows,
                           tx.collection().AddTouch(session, touched.Serialize()));
  if (rows <= kTouchRowsMax) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const std::vector<SessionTouch> touches,
                           tx.collection().ListTouches(session));
  ChunkSet merged;
  std::vector<std::uint64_t> numbers;
  for (const SessionTouch& touch : touches) {
    MOORING_RETURN_IF_ERROR(merged.UnionWithSerialized(touch.refs).status());
    numbers.push_back(touch.no);
  }
  return tx.collection().MergeTouches(session, numbers, merged.Serialize());
}

absl::Status CheckOpen(const std::optional<SessionRecord>& record) {
  if (!record) return absl::PermissionDeniedError("no such session of this agent");
  if (record->state == v1::SESSION_STATE_OPEN) return absl::OkStatus();
  return absl::FailedPreconditionError("the session is over");
}

}  // namespace

absl::StatusOr<BegunSession> RepositoryImpl::Begin(const OpContext& ctx,
                                                   const BeginOptions& options) {
  MOORING_RETURN_IF_ERROR(CheckBeginOptions(options));
  MOORING_RETURN_IF_ERROR(GuardEpoch(ctx, catalog_, objects_, clock_));
  // Another try where the device changes hands meanwhile or a commit is in doubt.
  absl::Status last;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    std::optional<DeviceRecord> device;
    MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(device, tx.devices().Get(options.device));
      return absl::OkStatus();
    }));
    if (!device) return absl::NotFoundError("begin: no such device");
    if (!device->person) {
      return absl::FailedPreconditionError(
          "begin: the device is bound to nobody; bind it with: mooring device assign");
    }
    MOORING_ASSIGN_OR_RETURN(const SecretBytes person_key, keys_.PersonKey(ctx, *device->person));
    absl::StatusOr<SessionRecord> session =
        CreateSession(ctx, options, *device->person, person_key);
    if (session.ok()) return Grant(ctx, *session, person_key);
    last = session.status();
    if (!absl::IsUnknown(last) && !absl::IsAborted(last)) return last;
  }
  return last;
}

absl::StatusOr<SessionRecord> RepositoryImpl::CreateSession(const OpContext& ctx,
                                                            const BeginOptions& options,
                                                            const PersonId& person,
                                                            const SecretBytes& person_key) {
  const absl::Time now = clock_.Now();
  const SnapshotId snapshot = SnapshotId::Make(random_);
  const SecretBytes snapshot_key = SecretBytes::Make(random_, kSnapshotKeyBytes);
  MOORING_ASSIGN_OR_RETURN(const Bytes wrapped,
                           WrapSnapshotKey(random_, clock_, person_key, snapshot, snapshot_key));
  SessionRecord session;
  std::optional<SessionId> superseded;
  const absl::Status created = catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const std::optional<DeviceRecord> device,
                             tx.devices().Get(options.device, RowLock::kExclusive));
    if (!device || device->person != person) {
      return absl::FailedPreconditionError("begin: the device was assigned anew; try again");
    }
    MOORING_ASSIGN_OR_RETURN(const std::optional<SessionRecord> begun,
                             tx.sessions().FindByIdempotencyKey(options.idempotency_key));
    if (begun) {
      MOORING_RETURN_IF_ERROR(CheckSameRequest(*begun, options));
      if (begun->person != person) {
        return absl::FailedPreconditionError("begin: the device has had another person since");
      }
      session = *begun;
      return absl::OkStatus();
    }
    MOORING_ASSIGN_OR_RETURN(superseded, CloseOlderSession(tx, options, now));
    session = SessionRecord();
    session.id = SessionId::Make(random_);
    session.idempotency_key = options.idempotency_key;
    session.device = options.device;
    session.person = person;
    session.lineage = device->lineage;
    session.agent = options.agent;
    session.snapshot = snapshot;
    session.captures = options.captures;
    session.wrapped_snapshot_key = wrapped;
    session.started_at = now;
    session.lease_until = now + options.lease;
    MOORING_ASSIGN_OR_RETURN(session.sequence, tx.devices().TakeSequence(options.device));
    MOORING_ASSIGN_OR_RETURN(const bool is_admitted,
                             tx.devices().IsAdmitted(options.device, options.agent));
    if (is_admitted) {
      MOORING_ASSIGN_OR_RETURN(const std::optional<SnapshotRecord> newest,
                               tx.snapshots().FindNewest(options.device, device->lineage));
      if (newest) session.base = newest->id;
    }
    MOORING_RETURN_IF_ERROR(tx.sessions().Create(session));
    return tx.Audit({.at = now,
                     .actor = ActorOf(options.agent),
                     .action = "session.begin",
                     .subject = session.id.hex(),
                     .detail_json = AuditDetail({{"device", options.device.hex()}})});
  });
  if (created.ok()) {
    if (superseded) registry_.Forget(*superseded);
    return session;
  }
  if (absl::IsFailedPrecondition(created)) {
    // Assigned anew: worth another try at once, with the new person's key.
    std::optional<DeviceRecord> device;
    MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(device, tx.devices().Get(options.device));
      return absl::OkStatus();
    }));
    if (device && device->person && device->person != person) {
      return absl::AbortedError("begin: the device was assigned anew");
    }
  }
  return created;
}

// A device has one open session. The same agent's older one has lost its
// process; another agent's stands until its lease is over.
absl::StatusOr<std::optional<SessionId>> RepositoryImpl::CloseOlderSession(
    Transaction& tx, const BeginOptions& options, absl::Time now) {
  MOORING_ASSIGN_OR_RETURN(const std::optional<SessionRecord> open,
                           tx.sessions().FindOpenOfDevice(options.device, RowLock::kExclusive));
  if (!open) return std::nullopt;
  const bool is_over = open->lease_until <= now;
  if (!is_over && open->agent != options.agent) {
    return absl::FailedPreconditionError(
        fmt::format("begin: another agent is backing the device up; its session's lease ends at {}",
                    absl::FormatTime(absl::RFC3339_sec, open->lease_until, absl::UTCTimeZone())));
  }
  const std::string message =
      is_over ? "nothing was heard from the agent for too long" : "the agent began another session";
  MOORING_RETURN_IF_ERROR(
      tx.sessions().End(open->id, is_over ? v1::SESSION_STATE_EXPIRED : v1::SESSION_STATE_ABORTED,
                        v1::CAUSE_AGENT_STOPPED, message, now));
  MOORING_RETURN_IF_ERROR(tx.Audit({.at = now,
                                    .actor = "server",
                                    .action = is_over ? "session.expire" : "session.supersede",
                                    .subject = open->id.hex()}));
  return open->id;
}

absl::StatusOr<BegunSession> RepositoryImpl::Grant(const OpContext& ctx,
                                                   const SessionRecord& session,
                                                   const SecretBytes& person_key) {
  BegunSession begun;
  begun.session = session.id;
  begun.snapshot = session.snapshot;
  begun.device = session.device;
  begun.person = session.person;
  begun.sequence = session.sequence;
  begun.person_domain = DeriveDomainKeys(person_key);
  begun.organization_domain = DeriveDomainKeys(organization_key_);
  MOORING_ASSIGN_OR_RETURN(begun.snapshot_key, UnwrapSnapshotKey(person_key, session.snapshot,
                                                                 session.wrapped_snapshot_key));
  if (session.base) {
    MOORING_ASSIGN_OR_RETURN(begun.base, OpenBase(ctx, *session.base, person_key));
  }
  return begun;
}

// None where the base was deleted meanwhile: the backup is then a full one.
absl::StatusOr<std::optional<BegunSession::Base>> RepositoryImpl::OpenBase(
    const OpContext& ctx, const SnapshotId& base, const SecretBytes& person_key) {
  std::optional<SnapshotView> view;
  std::optional<SnapshotContent> content;
  std::optional<KeySlot> slot;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(view, tx.snapshots().Get(base));
    MOORING_ASSIGN_OR_RETURN(content, tx.snapshots().GetContent(base));
    MOORING_ASSIGN_OR_RETURN(slot, tx.keys().Get(KeyPurpose::kSnapshotKey, base.view()));
    return absl::OkStatus();
  }));
  if (!view || view->snapshot.deleted_at || !content || !slot) return std::nullopt;
  MOORING_ASSIGN_OR_RETURN(SecretBytes key, UnwrapSnapshotKey(person_key, base, slot->wrapped));
  return BegunSession::Base{
      .snapshot = base, .root = std::move(content->root), .snapshot_key = std::move(key)};
}

absl::StatusOr<SessionRecord> RepositoryImpl::GetOpenSession(const OpContext& ctx,
                                                             const SessionId& session,
                                                             const AgentId* agent) {
  std::optional<SessionRecord> record;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(record, tx.sessions().Get(session));
    return absl::OkStatus();
  }));
  // Another agent's session and none at all look the same from outside.
  if (record && agent != nullptr && record->agent != *agent) record.reset();
  MOORING_RETURN_IF_ERROR(CheckOpen(record));
  return *std::move(record);
}

absl::StatusOr<std::vector<bool>> RepositoryImpl::Find(const OpContext& ctx,
                                                       const SessionId& session,
                                                       const DomainId& domain,
                                                       const std::vector<ChunkId>& ids) {
  if (ids.size() > kFindIdsMax) {
    return absl::InvalidArgumentError(
        fmt::format("find: {} ids, more than {}", ids.size(), kFindIdsMax));
  }
  std::vector<bool> present;
  present.reserve(ids.size());
  std::optional<PersonId> stranger;  // Whose domain has not been worked out yet.
  const auto find = [&](Transaction& tx) -> absl::Status {
    present.clear();
    stranger.reset();
    MOORING_RETURN_IF_ERROR(CheckEpoch(tx, {}));
    MOORING_ASSIGN_OR_RETURN(const auto record, tx.sessions().Get(session));
    MOORING_RETURN_IF_ERROR(CheckOpen(record));
    const std::optional<DomainId> person_domain = KnownDomainOf(record->person);
    if (!person_domain) {
      stranger = record->person;
      return absl::OkStatus();
    }
    if (domain != *person_domain && domain != organization_domain_) {
      return absl::PermissionDeniedError("find: the domain is not the session's");
    }
    MOORING_ASSIGN_OR_RETURN(const auto live,
                             tx.chunks().FindAndTouch(record->person, domain, ids));
    ChunkSet touched;
    for (const std::optional<LiveChunk>& chunk : live) {
      present.push_back(chunk.has_value());
      if (chunk) touched.Add(chunk->no);
    }
    // Where nothing is there nothing was written, and the commit waits for no disk.
    if (touched.empty()) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(const auto held, tx.sessions().Get(session, RowLock::kShared));
    MOORING_RETURN_IF_ERROR(CheckOpen(held));
    return NoteTouched(tx, session, touched);
  };
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, find));
  if (stranger) {
    MOORING_RETURN_IF_ERROR(DomainOf(ctx, *stranger).status());
    MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, find));
  }
  return present;
}

absl::StatusOr<std::unique_ptr<PackUpload>> RepositoryImpl::Upload(const OpContext& ctx,
                                                                   const SessionId& session,
                                                                   const AgentId& agent) {
  MOORING_ASSIGN_OR_RETURN(const SessionRecord record, GetOpenSession(ctx, session, &agent));
  MOORING_ASSIGN_OR_RETURN(const DomainId person_domain, DomainOf(ctx, record.person));
  return std::make_unique<SessionPackUpload>(
      SessionPackUpload::Parts{.catalog = catalog_,
                               .objects = objects_,
                               .clock = clock_,
                               .random = random_,
                               .registry = registry_,
                               .pack_index_key = pack_index_key_},
      record,
      SessionPackUpload::Domains{.person = person_domain, .organization = organization_domain_});
}

absl::Status RepositoryImpl::ReadBase(const OpContext& ctx, const SessionId& session,
                                      const AgentId& agent, const std::vector<ChunkId>& ids,
                                      absl::FunctionRef<absl::Status(ByteView sealed)> sink) {
  if (ids.size() > kReadIdsMax) {
    return absl::InvalidArgumentError(
        fmt::format("read base: {} ids, more than {}", ids.size(), kReadIdsMax));
  }
  MOORING_ASSIGN_OR_RETURN(const SessionRecord record, GetOpenSession(ctx, session, &agent));
  MOORING_ASSIGN_OR_RETURN(const DomainId person_domain, DomainOf(ctx, record.person));
  const absl::Status denied = absl::PermissionDeniedError(
      "read base: a chunk is neither of the base nor uploaded by this session");
  std::vector<ChunkLocation> chunks;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    chunks.clear();
    absl::flat_hash_set<ChunkId> base_ids;
    if (record.base) {
      MOORING_ASSIGN_OR_RETURN(const std::optional<SnapshotView> base,
                               tx.snapshots().Get(*record.base));
      if (base && !base->snapshot.deleted_at) {
        MOORING_ASSIGN_OR_RETURN(const std::optional<SnapshotContent> content,
                                 tx.snapshots().GetContent(*record.base));
        if (content) base_ids.insert(content->base_ids.begin(), content->base_ids.end());
      }
    }
    const DomainId domains[] = {person_domain, organization_domain_};
    MOORING_ASSIGN_OR_RETURN(const auto located, tx.chunks().Locate(domains, ids));
    absl::flat_hash_map<PackId, bool> is_own_pack;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!located[i]) return denied;
      bool may_read = base_ids.contains(ids[i]) || registry_.HasUploaded(session, ids[i]);
      if (!may_read) {
        const PackId& pack = located[i]->pack;
        if (!is_own_pack.contains(pack)) {
          MOORING_ASSIGN_OR_RETURN(const std::optional<PackRecord> row, tx.packs().Get(pack));
          is_own_pack[pack] = row && row->session == session;
        }
        may_read = is_own_pack[pack];
      }
      if (!may_read) return denied;
      chunks.push_back(*located[i]);
    }
    return absl::OkStatus();
  }));
  return reader_.Read(ctx, chunks,
                      [&sink](const ChunkLocation&, ByteView sealed) { return sink(sealed); });
}

absl::Status RepositoryImpl::Abort(const OpContext& ctx, const SessionId& session,
                                   const AgentId& agent, v1::Cause cause,
                                   const std::string& message) {
  if (cause == v1::CAUSE_UNSPECIFIED || !v1::Cause_IsValid(cause)) cause = v1::CAUSE_CANCELLED;
  const std::string kept = PlainText(message, kMessageBytesMax);
  const auto end = [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(std::optional<SessionRecord> record, tx.sessions().Get(session));
    if (!record || record->agent != agent) {
      return absl::PermissionDeniedError("abort: no such session of this agent");
    }
    MOORING_RETURN_IF_ERROR(tx.devices().Get(record->device, RowLock::kExclusive).status());
    MOORING_ASSIGN_OR_RETURN(record, tx.sessions().Get(session, RowLock::kExclusive));
    if (!record) return absl::PermissionDeniedError("abort: no such session of this agent");
    if (record->state == v1::SESSION_STATE_COMMITTED) {
      return absl::FailedPreconditionError("abort: the session has made its snapshot");
    }
    if (record->state != v1::SESSION_STATE_OPEN) return absl::OkStatus();
    const absl::Time now = clock_.Now();
    MOORING_RETURN_IF_ERROR(
        tx.sessions().End(session, v1::SESSION_STATE_ABORTED, cause, kept, now));
    MOORING_RETURN_IF_ERROR(tx.devices().RecordMiss(record->device, cause, kept, now));
    return tx.Audit({.at = now,
                     .actor = ActorOf(agent),
                     .action = "session.abort",
                     .subject = session.hex(),
                     .detail_json = AuditDetail({{"cause", v1::Cause_Name(cause)}})});
  };
  absl::Status ended = catalog_.Run(ctx, end);
  for (int i = 1; i < kAttemptsMax && absl::IsUnknown(ended); ++i) ended = catalog_.Run(ctx, end);
  if (ended.ok()) registry_.Forget(session);
  return ended;
}

absl::Status RepositoryImpl::Touch(const OpContext& ctx, const SessionId& session,
                                   const AgentId& agent, absl::Duration lease,
                                   const v1::Progress* progress) {
  if (lease <= absl::ZeroDuration() || lease > kLeaseMax) {
    return absl::InvalidArgumentError("touch: the lease is not within a day");
  }
  if (progress != nullptr && progress->ByteSizeLong() > kProgressBytesMax) {
    return absl::InvalidArgumentError("touch: progress is too long");
  }
  return catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const std::optional<SessionRecord> record,
                             tx.sessions().Get(session, RowLock::kExclusive));
    if (!record || record->agent != agent) {
      return absl::PermissionDeniedError("touch: no such session of this agent");
    }
    return tx.sessions().Touch(session, clock_.Now() + lease, progress);
  });
}

absl::StatusOr<int> RepositoryImpl::ExpireSessions(const OpContext& ctx) {
  const std::string message = "nothing was heard from the agent for too long";
  int total = 0;
  while (true) {
    std::vector<SessionRecord> expired;
    const absl::Status ended = catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
      const absl::Time now = clock_.Now();
      MOORING_ASSIGN_OR_RETURN(expired,
                               tx.sessions().ExpireLeases(now, v1::CAUSE_AGENT_STOPPED, message));
      for (const SessionRecord& session : expired) {
        MOORING_RETURN_IF_ERROR(
            tx.devices().RecordMiss(session.device, v1::CAUSE_AGENT_STOPPED, message, now));
        MOORING_RETURN_IF_ERROR(tx.Audit({.at = now,
                                          .actor = "server",
                                          .action = "session.expire",
                                          .subject = session.id.hex()}));
      }
      return absl::OkStatus();
    });
    MOORING_RETURN_IF_ERROR(ended);
    for (const SessionRecord& session : expired) registry_.Forget(session.id);
    total += static_cast<int>(expired.size());
    if (expired.size() < 1000) break;
  }
  return total;
}

}  // namespace mooring::storage
