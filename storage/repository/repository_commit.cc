// Commit: key object and commit record durable -> one transaction -> receipt.
//
// The record is immutable for whoever reads it, but until a row stands for it,
// it is only a proposal: a retry with other content replaces it. It is replaced
// under the session's row lock alone, and the transaction that makes the row
// reads it back under the same lock, so that row and record always agree.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/key_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/audit_detail.h"
#include "storage/repository/capture_times.h"
#include "storage/repository/chunk_set.h"
#include "storage/repository/epoch.h"
#include "storage/repository/repository_impl.h"
#include "storage/repository/timestamps.h"
#include "storage/repository/whole_object.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kBatch = 8192;
// Most ids of one answer that asks for chunks; the agent sends them and asks again.
constexpr std::size_t kMissingMax = 65'536;
constexpr int kAttemptsMax = 3;

absl::StatusOr<std::string> Serialized(const format::v1::CommitRecord& record) {
  std::string bytes;
  if (!record.SerializeToString(&bytes)) return absl::InternalError("commit record: not encoded");
  return bytes;
}

format::v1::CommitRecord MakeRecord(const SessionRecord& session, const CheckedCommit& commit,
                                    const v1::CommitSnapshotRequest& request,
                                    absl::Time created_at) {
  format::v1::CommitRecord record;
  record.set_snapshot_id(session.snapshot.bytes());
  record.set_device_id(session.device.bytes());
  record.set_person_id(session.person.bytes());
  record.set_sequence(session.sequence);
  record.set_created_unix_us(absl::ToUnixMicros(created_at));
  record.set_session_id(session.id.bytes());
  record.set_agent_id(session.agent.bytes());
  record.set_root(request.root());
  for (const v1::DomainRefs& refs : request.refs()) {
    format::v1::RecordRefs* const kept = record.add_refs();
    kept->set_domain_id(refs.domain_id());
    kept->set_ids(refs.ids());
  }
  for (const ChunkId& id : commit.base_ids) record.mutable_base_ids()->append(id.bytes());
  record.set_file_count(request.file_count());
  record.set_logical_bytes(request.logical_bytes());
  record.set_read_bytes(request.read_bytes());
  record.set_new_bytes(session.new_bytes);
  record.set_parent_snapshot_id(request.parent_snapshot_id());
  for (const v1::Capture& capture : CapturesAt(request, session, commit.carried, created_at)) {
    record.add_captures(capture.SerializeAsString());
  }
  record.set_device_facts(request.device().SerializeAsString());
  record.set_lineage(session.lineage);
  return record;
}

SnapshotRecord MakeSnapshot(const SessionRecord& session, const CheckedCommit& commit,
                            const v1::CommitSnapshotRequest& request, absl::Time created_at,
                            std::uint64_t referenced_bytes) {
  SnapshotRecord snapshot;
  snapshot.id = session.snapshot;
  snapshot.device = session.device;
  snapshot.person = session.person;
  snapshot.lineage = session.lineage;
  snapshot.sequence = session.sequence;
  snapshot.session = session.id;
  snapshot.parent = commit.parent;
  snapshot.created_at = created_at;
  snapshot.captures = CapturesAt(request, session, commit.carried, created_at);
  snapshot.captured_at = CapturedAt(snapshot.captures);
  snapshot.file_count = request.file_count();
  snapshot.logical_bytes = request.logical_bytes();
  snapshot.read_bytes = request.read_bytes();
  snapshot.new_bytes = session.new_bytes;
  snapshot.referenced_bytes = referenced_bytes;
  snapshot.chunk_count = commit.refs_count;
  snapshot.root_hash = commit.root_hash;
  snapshot.device_facts = request.device();
  return snapshot;
}

v1::Receipt MakeReceipt(const SessionRecord& session, const CheckedCommit& commit,
                        absl::Time created_at) {
  v1::Receipt receipt;
  receipt.set_snapshot_id(session.snapshot.bytes());
  receipt.set_sequence(session.sequence);
  *receipt.mutable_committed_at() = ToTimestamp(created_at);
  receipt.set_root_hash(ToString(commit.root_hash));
  receipt.set_stored_bytes(session.new_bytes);
  return receipt;
}

// The receipt if the session is committed with this key; none while it is open.
absl::StatusOr<std::optional<v1::Receipt>> ReceiptOf(const SessionRecord& session,
                                                     const CheckedCommit& commit) {
  if (session.state == v1::SESSION_STATE_OPEN) return std::nullopt;
  if (session.state != v1::SESSION_STATE_COMMITTED) {
    return absl::FailedPreconditionError("commit: the session is over");
  }
  if (session.commit_key != commit.idempotency_key || !session.receipt) {
    return absl::FailedPreconditionError(
        "commit: the session was committed by another idempotency key");
  }
  return session.receipt;
}

// Locks the session's row: no other commit of it comes between.
absl::Status HoldOpenSession(Transaction& tx, const SessionId& id) {
  MOORING_ASSIGN_OR_RETURN(const std::optional<SessionRecord> session,
                           tx.sessions().Get(id, RowLock::kExclusive));
  if (session && session->state == v1::SESSION_STATE_OPEN) return absl::OkStatus();
  if (session && session->state == v1::SESSION_STATE_COMMITTED) {
    return absl::UnavailableError("commit: another commit of the session came between; ask again");
  }
  return absl::FailedPreconditionError("commit: the session is over");
}

// Whether every reference is live; fills `missing`, and the set and its bytes if there is none.
absl::Status ResolveRefs(Transaction& tx, const PersonId& person, const CheckedCommit& commit,
                         std::vector<ChunkId>& missing, ChunkSet* set,
                         std::uint64_t* referenced_bytes) {
  missing.clear();
  for (const CommitRefs& refs : commit.refs) {
    for (std::size_t from = 0; from < refs.ids.size(); from += kBatch) {
      const std::vector<ChunkId> ids = refs.ids.Slice(from, kBatch);
      MOORING_ASSIGN_OR_RETURN(const auto live, tx.chunks().FindLive(person, refs.domain, ids));
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!live[i]) {
          missing.push_back(ids[i]);
          if (missing.size() >= kMissingMax) return absl::OkStatus();
        } else if (set != nullptr) {
          set->Add(live[i]->no);
          *referenced_bytes += live[i]->bytes;
        }
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommitOutcome> RepositoryImpl::Commit(const OpContext& ctx, const AgentId& agent,
                                                     const v1::CommitSnapshotRequest& request) {
  MOORING_ASSIGN_OR_RETURN(CheckedCommit commit, CheckCommitRequest(request));
  std::optional<SessionRecord> session;
  std::vector<v1::Capture> base_captures;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    base_captures.clear();
    MOORING_ASSIGN_OR_RETURN(session, tx.sessions().Get(commit.session));
    if (!session || !session->base || commit.parent != session->base) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(const auto base, tx.snapshots().Get(*session->base));
    if (base) base_captures = base->snapshot.captures;
    return absl::OkStatus();
  }));
  if (!session || session->agent != agent) {
    return absl::PermissionDeniedError("commit: no such session of this agent");
  }
  CommitOutcome outcome;
  MOORING_ASSIGN_OR_RETURN(outcome.receipt, ReceiptOf(*session, commit));
  if (outcome.receipt) return outcome;
  MOORING_ASSIGN_OR_RETURN(const DomainId person_domain, DomainOf(ctx, session->person));
  MOORING_RETURN_IF_ERROR(
      CheckCommitOfSession(commit, request, *session, person_domain, organization_domain_));
  MOORING_ASSIGN_OR_RETURN(commit.carried, CarriedCaptures(request, *session, base_captures));
  // A first look without the lock, so that no record is written for what cannot be committed yet.
  MOORING_ASSIGN_OR_RETURN(outcome.missing, FindMissing(ctx, session->person, commit));
  if (!outcome.missing.empty()) return outcome;

  MOORING_RETURN_IF_ERROR(StoreSnapshotKey(ctx, *session));
  absl::Time created_at;
  MOORING_ASSIGN_OR_RETURN(const Bytes record,
                           StoreCommitRecord(ctx, *session, commit, request, created_at));
  const auto body = [&](Transaction& tx) {
    return CommitTransaction(tx, ctx, *session, commit, request, record, created_at, outcome);
  };
  absl::Status committed = catalog_.Run(ctx, body);
  // In doubt: run again. The session's row lock waits for the first to be over,
  // and a session that it committed gives its stored receipt.
  for (int i = 1; i < kAttemptsMax && absl::IsUnknown(committed); ++i) {
    committed = catalog_.Run(ctx, body);
  }
  MOORING_RETURN_IF_ERROR(committed);
  if (outcome.receipt) registry_.Forget(commit.session);
  return outcome;
}

absl::StatusOr<std::vector<ChunkId>> RepositoryImpl::FindMissing(const OpContext& ctx,
                                                                 const PersonId& person,
                                                                 const CheckedCommit& commit) {
  std::vector<ChunkId> missing;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) {
    return ResolveRefs(tx, person, commit, missing, nullptr, nullptr);
  }));
  return missing;
}

// The key is the session's, so anything else under its name is a torn copy.
absl::Status RepositoryImpl::StoreSnapshotKey(const OpContext& ctx, const SessionRecord& session) {
  const std::string key = SnapshotKeyObjectKey(session.snapshot);
  const Bytes& wrapped = session.wrapped_snapshot_key;
  const absl::Status put = PutChecked(objects_, ctx, key, wrapped);
  if (!absl::IsAlreadyExists(put)) return put;
  return catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(HoldOpenSession(tx, session.id));
    return ReplaceChecked(objects_, ctx, key, wrapped);
  });
}

// The record as it stands in the store. A retry finds its own of before, made
// at another time, and takes that time; anything else is replaced.
absl::StatusOr<Bytes> RepositoryImpl::StoreCommitRecord(const OpContext& ctx,
                                                        const SessionRecord& session,
                                                        const CheckedCommit& commit,
                                                        const v1::CommitSnapshotRequest& request,
                                                        absl::Time& created_at) {
  const std::string key = CommitRecordObjectKey(session.snapshot);
  created_at = absl::FromUnixMicros(absl::ToUnixMicros(clock_.Now()));
  MOORING_ASSIGN_OR_RETURN(std::string bytes,
                           Serialized(MakeRecord(session, commit, request, created_at)));
  const absl::Status put = PutChecked(objects_, ctx, key, AsBytes(bytes));
  if (put.ok()) return ToBytes(bytes);
  if (!absl::IsAlreadyExists(put)) return put;

  const absl::StatusOr<Bytes> there = ReadWholeObject(objects_, ctx, key, kObjectBytesMax);
  format::v1::CommitRecord before;
  if (there.ok() && before.ParseFromArray(there->data(), static_cast<int>(there->size()))) {
    const absl::Time then = absl::FromUnixMicros(before.created_unix_us());
    MOORING_ASSIGN_OR_RETURN(bytes, Serialized(MakeRecord(session, commit, request, then)));
    if (AsText(*there) == bytes) {
      created_at = then;
      return ToBytes(bytes);
    }
    MOORING_ASSIGN_OR_RETURN(bytes, Serialized(MakeRecord(session, commit, request, created_at)));
  }
  MOORING_RETURN_IF_ERROR(ReplaceCommitRecord(ctx, session, key, AsBytes(bytes)));
  return ToBytes(bytes);
}

absl::Status RepositoryImpl::ReplaceCommitRecord(const OpContext& ctx, const SessionRecord& session,
                                                 const std::string& key, ByteView record) {
  return catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(HoldOpenSession(tx, session.id));
    // Outside of the transaction, but the same each time the body runs.
    return ReplaceChecked(objects_, ctx, key, record);
  });
}

absl::Status RepositoryImpl::CheckRecordStands(const OpContext& ctx, const SnapshotId& snapshot,
                                               ByteView record) {
  const absl::StatusOr<Bytes> there =
      ReadWholeObject(objects_, ctx, CommitRecordObjectKey(snapshot), kObjectBytesMax);
  if (!there.ok() && !absl::IsNotFound(there.status())) return there.status();
  if (there.ok() && std::equal(there->begin(), there->end(), record.begin(), record.end())) {
    return absl::OkStatus();
  }
  return absl::UnavailableError("commit: another commit of the session came between; ask again");
}

absl::Status RepositoryImpl::CommitTransaction(Transaction& tx, const OpContext& ctx,
                                               const SessionRecord& before,
                                               const CheckedCommit& commit,
                                               const v1::CommitSnapshotRequest& request,
                                               ByteView record, absl::Time created_at,
                                               CommitOutcome& outcome) {
  outcome = {};
  MOORING_RETURN_IF_ERROR(tx.LockRepositoryShared());
  // Rows that were live in an older catalog may stand over bytes that are gone. The
  // store is asked within the transaction: a catalog that travels back after its
  // first statement takes the connection, and so the transaction, with it.
  MOORING_ASSIGN_OR_RETURN(const StoreEpoch store, ReadStoreEpoch(ctx, objects_));
  MOORING_RETURN_IF_ERROR(CheckEpoch(tx, store));
  MOORING_ASSIGN_OR_RETURN(const std::optional<DeviceRecord> device,
                           tx.devices().Get(before.device, RowLock::kExclusive));
  MOORING_ASSIGN_OR_RETURN(const std::optional<SessionRecord> session,
                           tx.sessions().Get(before.id, RowLock::kExclusive));
  if (!device || !session) return absl::FailedPreconditionError("commit: the session is gone");
  MOORING_ASSIGN_OR_RETURN(outcome.receipt, ReceiptOf(*session, commit));
  if (outcome.receipt) return absl::OkStatus();
  if (device->person != session->person || device->lineage != session->lineage) {
    return absl::FailedPreconditionError(
        "commit: the device was assigned to another person during the backup");
  }
  if (!request.device().serial().empty() && request.device().serial() != device->serial) {
    return absl::InvalidArgumentError("commit: device is not the session's device");
  }
  // Chunks may still have arrived when the record was made; then it says too little.
  if (session->new_bytes != before.new_bytes) {
    return absl::UnavailableError("commit: an upload of the session is going on; ask again");
  }
  SnapshotContent content;
  content.root = ToBytes(request.root());
  content.base_ids = commit.base_ids;

  ChunkSet set;
  std::uint64_t referenced_bytes = 0;
  MOORING_RETURN_IF_ERROR(
      ResolveRefs(tx, session->person, commit, outcome.missing, &set, &referenced_bytes));
  if (!outcome.missing.empty()) return absl::OkStatus();
  content.refs = set.Serialize();
  MOORING_RETURN_IF_ERROR(CheckRecordStands(ctx, session->snapshot, record));

  const v1::Receipt receipt = MakeReceipt(*session, commit, created_at);
  MOORING_RETURN_IF_ERROR(tx.snapshots().Create(
      MakeSnapshot(*session, commit, request, created_at, referenced_bytes), content));
  MOORING_RETURN_IF_ERROR(tx.keys().Create(
      KeySlot{.purpose = KeyPurpose::kSnapshotKey,
              .subject = Bytes(session->snapshot.view().begin(), session->snapshot.view().end()),
              .wrapped = before.wrapped_snapshot_key,
              .created_at = created_at}));
  MOORING_RETURN_IF_ERROR(tx.sessions().Commit(session->id, commit.idempotency_key, receipt,
                                               request.read_bytes(), created_at));
  MOORING_RETURN_IF_ERROR(tx.devices().RecordSuccess(session->device, created_at));
  MOORING_RETURN_IF_ERROR(AdmitFirstAgent(tx, *session, created_at));
  MOORING_RETURN_IF_ERROR(
      tx.Audit({.at = created_at,
                .actor = fmt::format("agent:{}", session->agent.hex()),
                .action = "snapshot.commit",
                .subject = session->snapshot.hex(),
                .detail_json = AuditDetail({{"device", session->device.hex()},
                                            {"sequence", fmt::format("{}", session->sequence)}})}));
  outcome.receipt = receipt;
  return absl::OkStatus();
}

// The agent that made the first snapshot of a lineage has seen all of it. Any
// other is admitted by people.
absl::Status RepositoryImpl::AdmitFirstAgent(Transaction& tx, const SessionRecord& session,
                                             absl::Time now) {
  MOORING_ASSIGN_OR_RETURN(
      const std::vector<SnapshotView> snapshots,
      tx.snapshots().List(
          {.device = session.device, .lineage = session.lineage, .with_deleted = true}));
  if (snapshots.size() != 1) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const bool is_admitted,
                           tx.devices().IsAdmitted(session.device, session.agent));
  if (is_admitted) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(tx.devices().Admit(session.device, session.agent, "first backup", now));
  return tx.Audit({.at = now,
                   .actor = "server",
                   .action = "device.admit",
                   .subject = session.device.hex(),
                   .detail_json = AuditDetail({{"agent", session.agent.hex()}})});
}

}  // namespace mooring::storage
