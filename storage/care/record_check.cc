#include "storage/care/record_check.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include "storage/base/status.h"
#include "storage/care/pack_check.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/key_store.h"
#include "storage/catalog/session_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/audit_detail.h"
#include "storage/repository/chunk_set.h"
#include "storage/repository/whole_object.h"
#include "storage/seal/key_ring.h"
#include "storage/seal/key_wrap.h"

namespace mooring::storage {
namespace {

constexpr int kSnapshotBatch = 16;
constexpr int kFindingsMax = 100'000;
constexpr std::size_t kChunkBatch = 8192;
constexpr std::uint64_t kWrappedBytesMax = kWrappedKeyBytesMax + 4096;

std::string Serialized(const format::v1::CommitRecord& record) {
  return record.SerializeAsString();
}

// Ids of `refs`, by domain and ascending.
absl::Status AddRefs(Transaction& tx, const Bytes& refs, format::v1::CommitRecord& record) {
  MOORING_ASSIGN_OR_RETURN(const ChunkSet set, ChunkSet::Parse(refs));
  std::map<DomainId, std::vector<ChunkId>> by_domain;
  MOORING_RETURN_IF_ERROR(
      set.ForEachBatch(kChunkBatch, [&](const std::vector<std::uint64_t>& numbers) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const auto chunks, tx.chunks().LocateNumbers(numbers));
        if (chunks.size() != numbers.size()) {
          return absl::DataLossError("a reference of the snapshot has no row in the catalog");
        }
        for (const ChunkLocation& chunk : chunks) by_domain[chunk.domain].push_back(chunk.id);
        return absl::OkStatus();
      }));
  for (auto& [domain, ids] : by_domain) {
    std::sort(ids.begin(), ids.end());
    format::v1::RecordRefs* const kept = record.add_refs();
    kept->set_domain_id(domain.bytes());
    for (const ChunkId& id : ids) kept->mutable_ids()->append(id.bytes());
  }
  return absl::OkStatus();
}

class Checker {
 public:
  Checker(const OpContext& ctx, Catalog& catalog, ObjectStore& objects, Clock& clock)
      : ctx_(ctx), catalog_(catalog), objects_(objects), clock_(clock) {}

  absl::StatusOr<RecordReport> Run() {
    MOORING_RETURN_IF_ERROR(CheckStoreIsThere(ctx_, objects_));
    MOORING_RETURN_IF_ERROR(ReadOpenFindings());
    MOORING_RETURN_IF_ERROR(CheckKeys());
    MOORING_RETURN_IF_ERROR(CheckSnapshots());
    return report_;
  }

 private:
  absl::Status ReadOpenFindings() {
    return catalog_.Run(ctx_, [&](Transaction& tx) -> absl::Status {
      open_.clear();
      MOORING_ASSIGN_OR_RETURN(const auto findings, tx.care().Findings(false, kFindingsMax));
      for (const Finding& finding : findings) open_.insert(finding.subject);
      return absl::OkStatus();
    });
  }

  absl::Status CheckKeys() {
    const auto organization = [](std::string_view key) {
      return [key](const KeySlot&) { return std::optional<std::string>(std::string(key)); };
    };
    MOORING_RETURN_IF_ERROR(
        CheckSlots(KeyPurpose::kOrganizationKey, organization(kOrganizationKeyObjectKey)));
    MOORING_RETURN_IF_ERROR(
        CheckSlots(KeyPurpose::kPackIndexKey, organization(kPackIndexKeyObjectKey)));
    MOORING_RETURN_IF_ERROR(CheckSlots(KeyPurpose::kPersonKey, [](const KeySlot& slot) {
      const auto person = PersonId::FromBytes(slot.subject);
      return person ? std::optional(PersonKeyObjectKey(*person)) : std::nullopt;
    }));
    return CheckSlots(KeyPurpose::kSnapshotKey, [](const KeySlot& slot) {
      const auto snapshot = SnapshotId::FromBytes(slot.subject);
      return snapshot ? std::optional(SnapshotKeyObjectKey(*snapshot)) : std::nullopt;
    });
  }

  absl::Status CheckSlots(KeyPurpose purpose,
                          const std::function<std::optional<std::string>(const KeySlot&)>& key_of) {
    std::vector<KeySlot> slots;
    MOORING_RETURN_IF_ERROR(catalog_.Run(ctx_, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(slots, tx.keys().List(purpose));
      return absl::OkStatus();
    }));
    for (const KeySlot& slot : slots) {
      const std::optional<std::string> key = key_of(slot);
      if (key) MOORING_RETURN_IF_ERROR(CheckKey(*key, slot));
    }
    return absl::OkStatus();
  }

  absl::Status CheckKey(const std::string& key, const KeySlot& slot) {
    MOORING_RETURN_IF_ERROR(CheckContext(ctx_, clock_));
    ++report_.checked;
    absl::StatusOr<Bytes> object = ReadWholeObject(objects_, ctx_, key, kWrappedBytesMax);
    // What is wrong once is read again before it is believed.
    if (object.ok() && *object != slot.wrapped) {
      object = ReadWholeObject(objects_, ctx_, key, kWrappedBytesMax);
    }
    if (object.ok() && *object == slot.wrapped) return Good(FindingKind::kKey, key);
    if (!object.ok() && !absl::IsNotFound(object.status()) && !absl::IsDataLoss(object.status())) {
      return object.status();
    }
    const std::string message =
        object.ok() ? "the key object is not the one of the catalog" : "the key object is missing";
    // The slot may have been destroyed since it was listed: an erased key must
    // not come back, so its row is held while the object is written.
    return Mend(FindingKind::kKey, key, message, [&](Transaction& tx) -> absl::StatusOr<Bytes> {
      MOORING_ASSIGN_OR_RETURN(const std::optional<KeySlot> now,
                               tx.keys().Get(slot.purpose, slot.subject));
      if (!now) return absl::NotFoundError("the key was destroyed");
      if (const auto snapshot = SnapshotId::FromBytes(slot.subject);
          slot.purpose == KeyPurpose::kSnapshotKey && snapshot) {
        MOORING_ASSIGN_OR_RETURN(const auto view,
                                 tx.snapshots().Get(*snapshot, RowLock::kExclusive));
        if (!view || view->snapshot.deleted_at) return absl::NotFoundError("it is deleted");
      }
      return now->wrapped;
    });
  }

  absl::Status CheckSnapshots() {
    SnapshotId after;
    while (true) {
      std::vector<LiveSnapshotRefs> batch;
      MOORING_RETURN_IF_ERROR(catalog_.Run(ctx_, [&](Transaction& tx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(batch, tx.care().SnapshotsAfter(after, kSnapshotBatch));
        return absl::OkStatus();
      }));
      for (const LiveSnapshotRefs& snapshot : batch) {
        MOORING_RETURN_IF_ERROR(CheckSnapshot(snapshot.snapshot));
      }
      if (batch.size() < static_cast<std::size_t>(kSnapshotBatch)) return absl::OkStatus();
      after = batch.back().snapshot;
    }
  }

  absl::Status CheckSnapshot(const SnapshotId& snapshot) {
    MOORING_RETURN_IF_ERROR(CheckContext(ctx_, clock_));
    const std::string key = CommitRecordObjectKey(snapshot);
    format::v1::CommitRecord expected;
    bool has_key = false;
    const absl::Status made = catalog_.Run(ctx_, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(expected, RecordOfRow(tx, snapshot));
      MOORING_ASSIGN_OR_RETURN(const auto slot,
                               tx.keys().Get(KeyPurpose::kSnapshotKey, snapshot.view()));
      has_key = slot.has_value();
      return absl::OkStatus();
    });
    if (absl::IsNotFound(made)) return absl::OkStatus();  // Deleted meanwhile.
    ++report_.checked;
    if (absl::IsDataLoss(made)) return Bad(FindingKind::kCommitRecord, key, made.message());
    MOORING_RETURN_IF_ERROR(made);
    if (!has_key) {
      ++report_.bad;
      MOORING_RETURN_IF_ERROR(Note(FindingKind::kKey, SnapshotKeyObjectKey(snapshot),
                                   "the snapshot has no key in the catalog: it cannot be opened"));
    }
    absl::StatusOr<Bytes> object;
    format::v1::CommitRecord record;
    bool parses = false;
    bool is_same = false;
    // What is wrong once is read again before it is believed.
    for (int i = 0; i < 2 && !is_same; ++i) {
      object = ReadWholeObject(objects_, ctx_, key, kObjectBytesMax);
      if (!object.ok()) break;
      parses = record.ParseFromArray(object->data(), static_cast<int>(object->size()));
      is_same = parses && SameRecord(record, expected);
    }
    if (!object.ok() && !absl::IsNotFound(object.status()) && !absl::IsDataLoss(object.status())) {
      return object.status();
    }
    if (is_same) return Good(FindingKind::kCommitRecord, key);
    const std::string message = !object.ok() ? "the commit record is missing"
                                : !parses    ? "the commit record is damaged"
                                             : "the commit record is not what the catalog says";
    return Mend(
        FindingKind::kCommitRecord, key, message, [&](Transaction& tx) -> absl::StatusOr<Bytes> {
          MOORING_RETURN_IF_ERROR(tx.snapshots().Get(snapshot, RowLock::kExclusive).status());
          MOORING_ASSIGN_OR_RETURN(const auto now, RecordOfRow(tx, snapshot));
          return ToBytes(Serialized(now));
        });
  }

  absl::Status Good(FindingKind kind, const std::string& key) {
    if (!open_.contains(key)) return absl::OkStatus();
    return catalog_.Run(ctx_, [&](Transaction& tx) {
      return tx.care().Resolve(kind, key, "it is right again", clock_.Now());
    });
  }

  absl::Status Note(FindingKind kind, const std::string& key, std::string_view message) {
    open_.insert(key);
    return catalog_.Run(
        ctx_, [&](Transaction& tx) { return tx.care().Report(kind, key, message, clock_.Now()); });
  }

  absl::Status Bad(FindingKind kind, const std::string& key, absl::string_view message) {
    ++report_.bad;
    return Note(kind, key, std::string_view(message.data(), message.size()));
  }

  // Writes what `content` gives under its locks in place of the bad object.
  absl::Status Mend(FindingKind kind, const std::string& key, const std::string& message,
                    const std::function<absl::StatusOr<Bytes>(Transaction&)>& content) {
    MOORING_RETURN_IF_ERROR(CheckStoreIsThere(ctx_, objects_));
    MOORING_RETURN_IF_ERROR(Bad(kind, key, message));
    const absl::Status mended = catalog_.Run(ctx_, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const Bytes bytes, content(tx));
      const absl::Status put = PutAndReadBack(objects_, ctx_, key, bytes);
      if (absl::IsAlreadyExists(put)) {
        MOORING_RETURN_IF_ERROR(objects_.Remove(ctx_, key));
        MOORING_RETURN_IF_ERROR(PutAndReadBack(objects_, ctx_, key, bytes));
      } else {
        MOORING_RETURN_IF_ERROR(put);
      }
      const absl::Time now = clock_.Now();
      MOORING_RETURN_IF_ERROR(tx.care().Resolve(kind, key, "written anew from the catalog", now));
      return tx.Audit({.at = now,
                       .actor = "server",
                       .action = "object.heal",
                       .subject = key,
                       .detail_json = AuditDetail({{"why", message}})});
    });
    if (absl::IsNotFound(mended)) return Good(kind, key);  // Deleted meanwhile, and rightly gone.
    // An object that may not be replaced stays a finding and stops nothing else.
    if (absl::IsFailedPrecondition(mended)) return absl::OkStatus();
    MOORING_RETURN_IF_ERROR(mended);
    ++report_.healed;
    return absl::OkStatus();
  }

  const OpContext& ctx_;
  Catalog& catalog_;
  ObjectStore& objects_;
  Clock& clock_;
  RecordReport report_;
  std::set<std::string> open_;  // Subjects of open findings.
};

}  // namespace

absl::StatusOr<RecordReport> CheckRecords(const OpContext& ctx, Catalog& catalog,
                                          ObjectStore& objects, Clock& clock) {
  return Checker(ctx, catalog, objects, clock).Run();
}

absl::StatusOr<format::v1::CommitRecord> RecordOfRow(Transaction& tx, const SnapshotId& snapshot) {
  MOORING_ASSIGN_OR_RETURN(const std::optional<SnapshotView> view, tx.snapshots().Get(snapshot));
  if (!view || view->snapshot.deleted_at) return absl::NotFoundError("no such snapshot");
  MOORING_ASSIGN_OR_RETURN(const auto content, tx.snapshots().GetContent(snapshot));
  if (!content) return absl::NotFoundError("no such snapshot");
  const SnapshotRecord& row = view->snapshot;
  MOORING_ASSIGN_OR_RETURN(const auto session, tx.sessions().Get(row.session));
  format::v1::CommitRecord record;
  record.set_snapshot_id(row.id.bytes());
  record.set_device_id(row.device.bytes());
  record.set_person_id(row.person.bytes());
  record.set_sequence(row.sequence);
  record.set_created_unix_us(absl::ToUnixMicros(row.created_at));
  record.set_session_id(row.session.bytes());
  if (session) record.set_agent_id(session->agent.bytes());
  record.set_root(ToString(content->root));
  MOORING_RETURN_IF_ERROR(AddRefs(tx, content->refs, record));
  for (const ChunkId& id : content->base_ids) record.mutable_base_ids()->append(id.bytes());
  record.set_file_count(row.file_count);
  record.set_logical_bytes(row.logical_bytes);
  record.set_read_bytes(row.read_bytes);
  record.set_new_bytes(row.new_bytes);
  if (row.parent) record.set_parent_snapshot_id(row.parent->bytes());
  for (const v1::Capture& capture : row.captures) {
    record.add_captures(capture.SerializeAsString());
  }
  record.set_device_facts(row.device_facts.SerializeAsString());
  record.set_lineage(row.lineage);
  return record;
}

bool SameRecord(format::v1::CommitRecord a, format::v1::CommitRecord b) {
  for (format::v1::CommitRecord* record : {&a, &b}) {
    auto& refs = *record->mutable_refs();
    std::sort(refs.begin(), refs.end(),
              [](const format::v1::RecordRefs& x, const format::v1::RecordRefs& y) {
                return x.domain_id() < y.domain_id();
              });
    // A domain without references may be named or not.
    refs.erase(std::remove_if(refs.begin(), refs.end(),
                              [](const format::v1::RecordRefs& x) { return x.ids().empty(); }),
               refs.end());
  }
  return google::protobuf::util::MessageDifferencer::Equals(a, b);
}

}  // namespace mooring::storage
