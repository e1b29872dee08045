// Snapshots of a rebuild: commit records against packs, keys and the export.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "mooring/v1/backup.pb.h"
#include "storage/base/status.h"
#include "storage/care/rebuild_work.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/key_store.h"
#include "storage/catalog/pack_store.h"
#include "storage/manifest/manifest.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/capture_times.h"
#include "storage/repository/commit_request.h"
#include "storage/repository/timestamps.h"
#include "storage/repository/whole_object.h"
#include "storage/seal/digest.h"
#include "storage/seal/key_wrap.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kBatch = 4096;
constexpr std::uint64_t kWrappedBytesMax = kWrappedKeyBytesMax + 4096;

bool IsDamage(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

// Ids of a run of 32 bytes each, strictly ascending where it must be.
absl::Status CheckIdRun(const std::string& ids, bool ascending) {
  if (ids.size() % ChunkId::kBytes != 0) return absl::DataLossError("half an id");
  if (!ascending) return absl::OkStatus();
  const ChunkIdRun run(AsBytes(ids));
  for (std::size_t i = 1; i < run.size(); ++i) {
    if (!(run[i - 1] < run[i])) return absl::DataLossError("ids out of order");
  }
  return absl::OkStatus();
}

// What a record says of itself, against its name and its root's header.
absl::Status CheckRecord(const format::v1::CommitRecord& record, const SnapshotId& snapshot) {
  for (const std::string* id : {&record.snapshot_id(), &record.device_id(), &record.person_id(),
                                &record.session_id(), &record.agent_id()}) {
    if (id->size() != SnapshotId::kBytes) return absl::DataLossError("an id of another length");
  }
  if (record.snapshot_id() != snapshot.bytes()) {
    return absl::DataLossError("it is another snapshot's record under this one's name");
  }
  if (!record.parent_snapshot_id().empty() &&
      record.parent_snapshot_id().size() != SnapshotId::kBytes) {
    return absl::DataLossError("an id of another length");
  }
  MOORING_ASSIGN_OR_RETURN(const RootHeader header, PeekRoot(AsBytes(record.root())));
  if (header.snapshot != snapshot || header.device.bytes() != record.device_id() ||
      header.sequence != record.sequence()) {
    return absl::DataLossError("its manifest root is of another snapshot");
  }
  std::uint64_t count = 0;
  for (const format::v1::RecordRefs& refs : record.refs()) {
    if (refs.domain_id().size() != DomainId::kBytes) return absl::DataLossError("half a domain");
    MOORING_RETURN_IF_ERROR(CheckIdRun(refs.ids(), true));
    count += refs.ids().size() / ChunkId::kBytes;
  }
  if (count > kCommitRefsMax) return absl::DataLossError("too many references");
  return CheckIdRun(record.base_ids(), false);
}

}  // namespace

struct RebuildWork::Refs {
  ChunkSet set;
  std::uint64_t bytes = 0;
  std::uint64_t lost = 0;
  std::uint64_t missing = 0;  // Without a row; lost ones of a committed snapshot get one.
};

absl::Status RebuildWork::EnterSnapshots() {
  std::vector<SnapshotId> records;
  const absl::Status listed =
      parts_.objects.List(ctx_, kSnapshotPrefix, [&records](const ObjectInfo& info) {
        if (const auto id = CommitRecordOfObjectKey(info.key)) records.push_back(*id);
        return absl::OkStatus();
      });
  MOORING_RETURN_IF_ERROR(listed);
  // Those that were committed for certain first: what they lack is known as lost
  // when one that is newer references it too.
  std::set<SnapshotId> exported;
  MOORING_ASSIGN_OR_RETURN(const std::vector<SnapshotView> rows, load_->tx().snapshots().List({}));
  for (const SnapshotView& view : rows) exported.insert(view.snapshot.id);
  std::stable_partition(records.begin(), records.end(),
                        [&exported](const SnapshotId& id) { return exported.contains(id); });
  std::uint64_t done = 0;
  for (const SnapshotId& snapshot : records) {
    MOORING_RETURN_IF_ERROR(Annotate(EnterSnapshot(snapshot), "snapshot " + snapshot.hex()));
    Report("snapshots", ++done);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<format::v1::CommitRecord>> RebuildWork::ReadRecord(
    const SnapshotId& snapshot) {
  const absl::StatusOr<Bytes> bytes =
      ReadSettledObject(parts_.objects, ctx_, CommitRecordObjectKey(snapshot), kObjectBytesMax);
  if (!bytes.ok() && !IsDamage(bytes.status())) return bytes.status();
  format::v1::CommitRecord record;
  absl::Status good = bytes.status();
  if (good.ok()) {
    good = record.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))
               ? CheckRecord(record, snapshot)
               : absl::DataLossError("it does not parse");
  }
  if (good.ok()) return record;
  Remark(fmt::format("commit record of snapshot {} is refused: {}", snapshot.hex(),
                     std::string(good.message())));
  const absl::Status noted =
      load_->tx().care().Report(FindingKind::kCommitRecord, CommitRecordObjectKey(snapshot),
                                std::string(good.message()), parts_.clock.Now());
  MOORING_RETURN_IF_ERROR(noted);
  return std::optional<format::v1::CommitRecord>();
}

absl::Status RebuildWork::EnterSnapshot(const SnapshotId& snapshot) {
  MOORING_ASSIGN_OR_RETURN(const auto record, ReadRecord(snapshot));
  if (!record) return absl::OkStatus();
  std::uint64_t& sequence = sequences_[*DeviceId::FromBytes(record->device_id())];
  sequence = std::max(sequence, record->sequence());
  if (tombstones_.contains(snapshot)) return absl::OkStatus();
  Transaction& tx = load_->tx();
  MOORING_ASSIGN_OR_RETURN(const auto exported, tx.snapshots().Get(snapshot));
  if (exported && exported->snapshot.deleted_at) return absl::OkStatus();
  // What a catalog in use knows needs nothing: its damage is counted afterwards.
  if (exported && is_reconciliation_) return absl::OkStatus();
  const Sha256Digest root_hash = Sha256(AsBytes(record->root()));
  if (exported && !std::ranges::equal(exported->snapshot.root_hash, root_hash)) {
    // One that stood there before the snapshot was committed, played back.
    Remark(
        fmt::format("commit record of snapshot {} is refused: it is not the one that was "
                    "committed",
                    snapshot.hex()));
    return absl::OkStatus();
  }
  const auto person = *PersonId::FromBytes(record->person_id());
  if (!person_keys_.contains(person)) {
    if (!exported)
      ++summary_.snapshots_lost;  // Else it is counted with those that are not entered.
    Remark(fmt::format("snapshot {} is of a person whose key is gone", snapshot.hex()));
    return absl::OkStatus();
  }
  Refs refs;
  MOORING_RETURN_IF_ERROR(ResolveRefs(*record, exported.has_value(), refs));
  if (refs.missing > 0) {
    ++summary_.snapshots_incomplete;
    Remark(
        fmt::format("snapshot {} is newer than the export and {} of its chunks are not there: "
                    "left out",
                    snapshot.hex(), refs.missing));
    return absl::OkStatus();
  }
  const absl::Time created_at = absl::FromUnixMicros(record->created_unix_us());
  if (exported) {
    MOORING_RETURN_IF_ERROR(
        load_
            ->Execute("UPDATE snapshot SET root = $2::bytea, refs = $3::bytea,"
                      " base_ids = $4::bytea, damaged_chunks = $5::bigint WHERE id = $1::bytea",
                      {DumpText(snapshot.view()), DumpText(AsBytes(record->root())),
                       DumpText(refs.set.Serialize()), DumpText(AsBytes(record->base_ids())),
                       std::to_string(refs.lost)})
            .status());
  } else {
    MOORING_RETURN_IF_ERROR(EnterNewer(*record, snapshot, refs));
    ++summary_.snapshots_newer;
  }
  entered_.insert(snapshot);
  ++summary_.snapshots;
  if (refs.lost > 0) {
    ++summary_.snapshots_damaged;
    Remark(fmt::format("snapshot {} is damaged: {} chunks are lost", snapshot.hex(), refs.lost));
  }
  MOORING_RETURN_IF_ERROR(refs.set.ForEachBatch(
      kBatch,
      [&](const std::vector<std::uint64_t>& numbers) { return load_->AddOwner(person, numbers); }));
  return EnterSnapshotKey(snapshot, person, created_at);
}

absl::Status RebuildWork::ResolveRefs(const format::v1::CommitRecord& record, bool is_committed,
                                      Refs& refs) {
  for (const format::v1::RecordRefs& of_domain : record.refs()) {
    const auto domain = *DomainId::FromBytes(of_domain.domain_id());
    const ChunkIdRun run(AsBytes(of_domain.ids()));
    for (std::size_t from = 0; from < run.size(); from += kBatch) {
      const std::vector<ChunkId> ids = run.Slice(from, kBatch);
      MOORING_ASSIGN_OR_RETURN(auto located,
                               load_->tx().chunks().Locate(std::span(&domain, 1), ids));
      std::vector<ChunkId> gone;
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!located[i]) gone.push_back(ids[i]);
      }
      if (!gone.empty() && is_committed) {
        // It was acknowledged, so what is left of it stays, and says what is not.
        MOORING_ASSIGN_OR_RETURN(const PackId pack, LostPack());
        MOORING_RETURN_IF_ERROR(load_->AddLost(pack, domain, gone));
        MOORING_ASSIGN_OR_RETURN(located, load_->tx().chunks().Locate(std::span(&domain, 1), ids));
      }
      for (const std::optional<ChunkLocation>& chunk : located) {
        if (!chunk) {
          ++refs.missing;
          continue;
        }
        refs.set.Add(chunk->no);
        refs.bytes += chunk->bytes;
        if (chunk->state == ChunkState::kLost) ++refs.lost;
      }
    }
  }
  return absl::OkStatus();
}

// The pack that lost chunks lie in, of which nothing else is known: no object,
// so a scrub tries a replica and says that it is missing.
absl::StatusOr<PackId> RebuildWork::LostPack() {
  if (lost_pack_) return *lost_pack_;
  const PackId pack = PackId::Make(parts_.random);
  Transaction& tx = load_->tx();
  MOORING_RETURN_IF_ERROR(tx.packs().Stage(pack, std::nullopt, parts_.clock.Now()).status());
  const std::array<std::byte, kSha256Bytes> unknown{};
  MOORING_RETURN_IF_ERROR(tx.packs().MarkLive(pack, 0, unknown));
  lost_pack_ = pack;
  return pack;
}

absl::Status RebuildWork::EnterNewer(const format::v1::CommitRecord& record,
                                     const SnapshotId& snapshot, const Refs& refs) {
  SnapshotRecord row;
  row.id = snapshot;
  row.device = *DeviceId::FromBytes(record.device_id());
  row.person = *PersonId::FromBytes(record.person_id());
  row.lineage = std::max(record.lineage(), 1U);
  row.sequence = record.sequence();
  row.session = *SessionId::FromBytes(record.session_id());
  row.parent = SnapshotId::FromBytes(record.parent_snapshot_id());
  row.created_at = absl::FromUnixMicros(record.created_unix_us());
  row.file_count = record.file_count();
  row.logical_bytes = record.logical_bytes();
  row.read_bytes = record.read_bytes();
  row.new_bytes = record.new_bytes();
  row.referenced_bytes = refs.bytes;
  row.chunk_count = refs.set.size();
  const Sha256Digest root_hash = Sha256(AsBytes(record.root()));
  row.root_hash.assign(root_hash.begin(), root_hash.end());
  for (const std::string& capture : record.captures()) {
    if (!row.captures.emplace_back().ParseFromString(capture)) {
      return absl::DataLossError("a capture that does not parse");
    }
  }
  row.captured_at = CapturedAt(row.captures);
  if (!row.device_facts.ParseFromString(record.device_facts())) {
    return absl::DataLossError("device facts that do not parse");
  }
  const auto agent = *AgentId::FromBytes(record.agent_id());
  MOORING_RETURN_IF_ERROR(EnsureDevice(record, row.device, row.person));
  MOORING_RETURN_IF_ERROR(EnsureAgent(agent, row.created_at));
  MOORING_RETURN_IF_ERROR(EnterSession(record, row, agent));
  SnapshotContent content;
  content.root = ToBytes(record.root());
  content.refs = refs.set.Serialize();
  const ChunkIdRun base(AsBytes(record.base_ids()));
  content.base_ids = base.Slice(0, base.size());
  Transaction& tx = load_->tx();
  MOORING_RETURN_IF_ERROR(tx.snapshots().Create(row, content));
  MOORING_RETURN_IF_ERROR(tx.care().SetDamaged(snapshot, refs.lost));
  return tx.devices().RecordSuccess(row.device, row.created_at);
}

absl::Status RebuildWork::EnsureDevice(const format::v1::CommitRecord& record,
                                       const DeviceId& device, const PersonId& person) {
  Transaction& tx = load_->tx();
  MOORING_ASSIGN_OR_RETURN(const auto there, tx.devices().Get(device));
  const std::string lineage = std::to_string(std::max(record.lineage(), 1U));
  if (there) {
    // Bound anew after the export: the newest lineage counts.
    return load_
        ->Execute(
            "UPDATE device SET person_id = $2::bytea, lineage = $3::int"
            " WHERE id = $1::bytea AND lineage < $3::int",
            {DumpText(device.view()), DumpText(person.view()), lineage})
        .status();
  }
  v1::DeviceFacts facts;
  if (!facts.ParseFromString(record.device_facts())) facts.Clear();
  const std::string serial =
      facts.serial().empty() ? "recovered-" + device.hex() : std::string(facts.serial());
  const absl::Time at = absl::FromUnixMicros(record.created_unix_us());
  Remark(fmt::format("device {} is newer than the export", serial));
  return load_
      ->Execute(
          "INSERT INTO device (id, platform, serial, name, model, os_version, phone_encrypts,"
          " person_id, lineage, first_seen_at, last_seen_at, facts) VALUES ($1::bytea,"
          " $2::int, $3, $4, $5, $6, $7::boolean, $8::bytea, $9::int, $10::timestamptz,"
          " $10::timestamptz, $11::bytea)",
          {DumpText(device.view()), std::to_string(static_cast<int>(facts.platform())), serial,
           facts.name(), facts.model(), facts.os_version(),
           facts.phone_encrypts() ? "true" : "false", DumpText(person.view()), lineage,
           DumpText(at), DumpText(AsBytes(record.device_facts()))})
      .status();
}

// One that enrolled after the export: its certificate is not known, so it must enroll again.
absl::Status RebuildWork::EnsureAgent(const AgentId& agent, absl::Time at) {
  Transaction& tx = load_->tx();
  MOORING_ASSIGN_OR_RETURN(const auto there, tx.agents().Get(agent));
  if (there) return absl::OkStatus();
  AgentRecord record;
  record.id = agent;
  record.hostname = "recovered-" + agent.hex().substr(0, 12);
  record.hpke_public_key = Bytes(32);
  const Sha256Digest no_key = Sha256(agent.view());
  record.key_hash.assign(no_key.begin(), no_key.end());
  record.certificate_expires_at = at;
  record.enrolled_at = at;
  MOORING_RETURN_IF_ERROR(tx.agents().Create(record));
  Remark(fmt::format("agent {} enrolled after the export: it must enroll again", agent.hex()));
  return tx.agents().Revoke(agent, "known from a commit record alone; enroll it again",
                            parts_.clock.Now());
}

absl::Status RebuildWork::EnterSession(const format::v1::CommitRecord& record,
                                       const SnapshotRecord& snapshot, const AgentId& agent) {
  v1::Receipt receipt;
  receipt.set_snapshot_id(snapshot.id.bytes());
  receipt.set_sequence(snapshot.sequence);
  *receipt.mutable_committed_at() = ToTimestamp(snapshot.created_at);
  receipt.set_root_hash(ToString(snapshot.root_hash));
  receipt.set_stored_bytes(record.new_bytes());
  std::string captures;
  for (const v1::Capture& capture : snapshot.captures) {
    if (capture.session_id() != record.session_id()) continue;
    captures += fmt::format("{}{}", captures.empty() ? "" : ",", static_cast<int>(capture.kind()));
  }
  // One that was open at the export keeps what is known of its beginning. The
  // keys of idempotency are not in the record: ids that no agent asks with.
  return load_
      ->Execute(
          "INSERT INTO session AS s (id, idempotency_key, device_id, person_id, lineage, agent_id,"
          " snapshot_id, sequence, base_snapshot_id, state, captures, wrapped_snapshot_key,"
          " started_at, lease_until, ended_at, read_bytes, new_bytes, commit_key, receipt)"
          " VALUES ($1::bytea, $1::bytea, $2::bytea, $3::bytea, $4::int, $5::bytea, $6::bytea,"
          " $7::bigint, $8::bytea, 2, $9::int[], '', $10::timestamptz, $10::timestamptz,"
          " $10::timestamptz, $11::bigint, $12::bigint, $1::bytea, $13::bytea)"
          " ON CONFLICT (id) DO UPDATE SET state = 2, ended_at = excluded.ended_at,"
          "   read_bytes = excluded.read_bytes, new_bytes = excluded.new_bytes,"
          "   commit_key = excluded.commit_key, receipt = excluded.receipt,"
          "   wrapped_snapshot_key = '', cause = 0, message = ''",
          {DumpText(AsBytes(record.session_id())), DumpText(snapshot.device.view()),
           DumpText(snapshot.person.view()), std::to_string(snapshot.lineage),
           DumpText(agent.view()), DumpText(snapshot.id.view()), std::to_string(snapshot.sequence),
           snapshot.parent ? DumpText(snapshot.parent->view()) : std::nullopt, "{" + captures + "}",
           DumpText(snapshot.created_at), std::to_string(record.read_bytes()),
           std::to_string(record.new_bytes()), DumpText(AsBytes(receipt.SerializeAsString()))})
      .status();
}

absl::Status RebuildWork::EnterSnapshotKey(const SnapshotId& snapshot, const PersonId& person,
                                           absl::Time created_at) {
  const std::string key = SnapshotKeyObjectKey(snapshot);
  const absl::StatusOr<Bytes> wrapped =
      ReadSettledObject(parts_.objects, ctx_, key, kWrappedBytesMax);
  if (!wrapped.ok() && !IsDamage(wrapped.status())) return wrapped.status();
  absl::Status opened = wrapped.status();
  if (opened.ok()) {
    opened = UnwrapSnapshotKey(person_keys_.at(person), snapshot, *wrapped).status();
  }
  if (!opened.ok()) {
    ++summary_.keys_unreadable;
    Remark(fmt::format("{}: {}: snapshot {} cannot be opened", key, std::string(opened.message()),
                       snapshot.hex()));
    return load_->tx().care().Report(FindingKind::kKey, key, std::string(opened.message()),
                                     parts_.clock.Now());
  }
  ++summary_.keys;
  const absl::Status entered = load_->tx().keys().Create({.purpose = KeyPurpose::kSnapshotKey,
                                                          .subject = ToBytes(snapshot.bytes()),
                                                          .wrapped = *wrapped,
                                                          .created_at = created_at});
  return absl::IsAlreadyExists(entered) ? absl::OkStatus() : entered;
}

// Snapshots that the export names and no commit record stands for.
absl::Status RebuildWork::FinishExported() {
  MOORING_ASSIGN_OR_RETURN(const std::vector<SnapshotView> exported,
                           load_->tx().snapshots().List({}));
  for (const SnapshotView& view : exported) {
    const SnapshotId& snapshot = view.snapshot.id;
    if (entered_.contains(snapshot) || tombstones_.contains(snapshot)) continue;
    ++summary_.snapshots_lost;
    Remark(fmt::format("snapshot {} of device {} is lost: its commit record or its key is gone",
                       snapshot.hex(), view.serial));
    MOORING_RETURN_IF_ERROR(load_->tx().snapshots().MarkDeleted(snapshot, parts_.clock.Now()));
    MOORING_RETURN_IF_ERROR(load_->tx().Audit({.at = parts_.clock.Now(),
                                               .actor = "server",
                                               .action = "snapshot.lost",
                                               .subject = snapshot.hex()}));
  }
  return absl::OkStatus();
}

// Deletions that are newer than the export.
absl::Status RebuildWork::ApplyTombstones() {
  Transaction& tx = load_->tx();
  for (const auto& [snapshot, tombstone] : tombstones_) {
    // A key that the catalog still has must not open what was deleted.
    MOORING_RETURN_IF_ERROR(tx.keys().Delete(KeyPurpose::kSnapshotKey, snapshot.view()));
    MOORING_ASSIGN_OR_RETURN(const auto view, tx.snapshots().Get(snapshot));
    if (!view || view->snapshot.deleted_at) continue;
    ++summary_.snapshots_deleted;
    MOORING_RETURN_IF_ERROR(tx.snapshots().MarkDeleted(snapshot, tombstone.deleted_at));
    MOORING_RETURN_IF_ERROR(tx.Audit({.at = tombstone.deleted_at,
                                      .actor = tombstone.actor,
                                      .action = "snapshot.delete",
                                      .subject = snapshot.hex()}));
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
