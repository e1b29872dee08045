#include "tests/sim/checker.h"

#include <fmt/format.h>

#include "mooring/format/v1/commit_record.pb.h"
#include "storage/base/status.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/chunk_set.h"
#include "storage/repository/repository.h"
#include "storage/seal/key_ring.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::testing {
namespace {

std::vector<std::uint64_t> NumbersOf(const storage::ChunkSet& set) {
  std::vector<std::uint64_t> numbers;
  set.ForEachBatch(4096,
                   [&numbers](const std::vector<std::uint64_t>& batch) {
                     numbers.insert(numbers.end(), batch.begin(), batch.end());
                     return absl::OkStatus();
                   })
      .IgnoreError();
  return numbers;
}

}  // namespace

using storage::ChunkState;
using storage::PackState;

std::optional<Bytes> Checker::Read(const std::string& key) const {
  const absl::StatusOr<storage::ObjectInfo> info = ground_.disk.Stat({}, key);
  if (!info.ok()) return std::nullopt;
  Bytes bytes(info->size_bytes);
  if (!ground_.disk.ReadAt({}, key, 0, bytes).ok()) return std::nullopt;
  return bytes;
}

bool Checker::Has(const std::string& key) const {
  return ground_.disk.Stat({}, key).ok();
}

void Checker::CheckNow() {
  if (ground_.oracle.failure()) return;
  const Tables& tables = ground_.catalog.tables();
  tables.snapshot.ForEachCommitted(
      [this](const SnapshotId& id, const SnapshotRow& row) { CheckSnapshot(id, row); });
  for (const SnapshotId& id : ground_.oracle.deleted()) CheckDeleted(id);
  for (const auto& [id, promise] : ground_.oracle.acknowledged()) {
    if (tables.snapshot.Committed(id) == nullptr) {
      Fail(fmt::format("I6: acknowledged snapshot {} is not in the catalog", id.hex()));
    }
  }
  CheckPacks();
}

void Checker::CheckSnapshot(const SnapshotId& id, const SnapshotRow& row) {
  const bool has_tombstone = Has(storage::TombstoneObjectKey(id));
  if (row.record.deleted_at) {
    if (!has_tombstone) {
      Fail(fmt::format("I11: snapshot {} is deleted and has no tombstone", id.hex()));
    }
    return;
  }
  if (!has_tombstone) {
    const Bytes subject(id.view().begin(), id.view().end());
    const storage::KeySlot* const slot = ground_.catalog.tables().key_slot.Committed(
        {static_cast<int>(storage::KeyPurpose::kSnapshotKey), subject});
    if (slot == nullptr) return Fail(fmt::format("I7: snapshot {} has no key slot", id.hex()));
    const std::optional<Bytes> key = Read(storage::SnapshotKeyObjectKey(id));
    if (key != slot->wrapped) {
      return Fail(fmt::format("I1: snapshot {} has no key object, and no tombstone", id.hex()));
    }
    CheckRecord(id, row);
  }
  CheckRefs(id, row);
}

void Checker::CheckRecord(const SnapshotId& id, const SnapshotRow& row) {
  if (seen_record_.count(id) > 0 && Has(storage::CommitRecordObjectKey(id))) return;
  const std::optional<Bytes> bytes = Read(storage::CommitRecordObjectKey(id));
  format::v1::CommitRecord record;
  if (!bytes || !record.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))) {
    return Fail(fmt::format("I6: snapshot {} has no whole commit record", id.hex()));
  }
  if (AsBytes(record.root()).size() != row.content->root.size() ||
      ToBytes(record.root()) != row.content->root) {
    return Fail(fmt::format("I7: row and record of snapshot {} disagree", id.hex()));
  }
  seen_record_.insert(id);
}

void Checker::CheckRefs(const SnapshotId& id, const SnapshotRow& row) {
  absl::StatusOr<storage::ChunkSet> refs = storage::ChunkSet::Parse(row.content->refs);
  if (!refs.ok()) return Fail(fmt::format("snapshot {}: {}", id.hex(), refs.status().ToString()));
  if (refs->size() != row.record.chunk_count) {
    return Fail(fmt::format("snapshot {} refers to {} chunks, and says {}", id.hex(), refs->size(),
                            row.record.chunk_count));
  }
  for (const std::uint64_t no : NumbersOf(*refs)) {
    if (ground_.oracle.failure()) return;
    CheckChunk(id, no);
    if (ground_.oracle.failure()) return;
    const IndexedChunk* const chunk = ground_.catalog.tables().chunk.Committed(no);
    const storage::DomainRecord* const domain =
        ground_.catalog.tables().domain.Committed(chunk->domain_no);
    const bool may_know =
        domain->person
            ? *domain->person == row.record.person
            : ground_.catalog.tables().chunk_owner.Committed({row.record.person, no}) != nullptr;
    if (!may_know) {
      return Fail(fmt::format("I14: snapshot {} refers to chunk {}, which its person never showed",
                              id.hex(), no));
    }
  }
}

void Checker::CheckChunk(const SnapshotId& id, std::uint64_t no) {
  const Tables& tables = ground_.catalog.tables();
  const IndexedChunk* const chunk = tables.chunk.Committed(no);
  if (chunk == nullptr) {
    return Fail(fmt::format("I2: snapshot {} refers to chunk {}, which has no row", id.hex(), no));
  }
  const storage::PackRecord* const pack = tables.pack.Committed(chunk->pack_no);
  if (pack != nullptr && ground_.rotten.count(pack->id) > 0) return CheckRotten(no, *chunk, *pack);
  if (chunk->state != ChunkState::kLive) {
    return Fail(fmt::format("I2: snapshot {} refers to chunk {}, which is in state {}", id.hex(),
                            no, static_cast<int>(chunk->state)));
  }
  if (pack == nullptr || pack->state != PackState::kLive) {
    return Fail(fmt::format("I2: chunk {} lies in a pack that is not live", no));
  }
  const std::string key = storage::PackObjectKey(pack->id);
  if (seen_good_.count({pack->id, chunk->offset}) > 0) {
    if (!Has(key)) Fail(fmt::format("I3: the pack of chunk {} is gone from the store", no));
    return;
  }
  Bytes bytes(chunk->bytes);
  const absl::StatusOr<std::size_t> read = ground_.disk.ReadAt({}, key, chunk->offset, bytes);
  if (!read.ok() || *read != bytes.size() || storage::ChunkIdOf(bytes) != chunk->id) {
    return Fail(
        fmt::format("I2: the bytes of chunk {} of snapshot {} are not there", no, id.hex()));
  }
  seen_good_.insert({pack->id, chunk->offset});
}

// Scrub heals it from the replica, until then it may count as lost.
void Checker::CheckRotten(std::uint64_t no, const IndexedChunk& chunk,
                          const storage::PackRecord& pack) {
  seen_good_.erase({pack.id, chunk.offset});
  const bool is_expected = chunk.state == ChunkState::kLive || chunk.state == ChunkState::kLost;
  if (!is_expected || pack.state != PackState::kLive) {
    return Fail(fmt::format("I2: chunk {} of a rotten pack is in state {}", no,
                            static_cast<int>(chunk.state)));
  }
  Bytes bytes(chunk.bytes);
  const absl::StatusOr<std::size_t> read =
      ground_.replica.ReadAt({}, storage::PackObjectKey(pack.id), chunk.offset, bytes);
  if (!read.ok() || *read != bytes.size() || storage::ChunkIdOf(bytes) != chunk.id) {
    Fail(fmt::format("the replica's copy of chunk {} is gone while its pack is rotten", no));
  }
}

void Checker::CheckDeleted(const SnapshotId& id) {
  const Tables& tables = ground_.catalog.tables();
  const SnapshotRow* const row = tables.snapshot.Committed(id);
  if (row != nullptr && !row->record.deleted_at) {
    return Fail(fmt::format("I11: deleted snapshot {} is there again", id.hex()));
  }
  const Bytes subject(id.view().begin(), id.view().end());
  if (tables.key_slot.Committed({static_cast<int>(storage::KeyPurpose::kSnapshotKey), subject}) !=
          nullptr ||
      Has(storage::SnapshotKeyObjectKey(id))) {
    Fail(fmt::format("I11: the key of deleted snapshot {} is there", id.hex()));
  }
}

void Checker::CheckPacks() {
  ground_.catalog.tables().pack.ForEachCommitted(
      [this](std::int64_t no, const storage::PackRecord& pack) {
        if (pack.state != PackState::kLive || ground_.oracle.failure()) return;
        const absl::StatusOr<storage::ObjectInfo> info =
            ground_.disk.Stat({}, storage::PackObjectKey(pack.id));
        if (!info.ok() || info->size_bytes != pack.bytes) {
          Fail(fmt::format("I17: pack {} has {} bytes in the catalog and {} in the store", no,
                           pack.bytes, info.ok() ? info->size_bytes : 0));
        }
      });
}

// A record without row and tombstone may be of a snapshot that an older catalog
// has forgotten: until somebody reconciles, what it names stays, and so does every
// object without a row (storage/design/gc-safety.md).
Checker::Pinned Checker::FindPinned() const {
  Pinned pinned;
  const Tables& tables = ground_.catalog.tables();
  ground_.disk
      .List({}, storage::kSnapshotPrefix,
            [&](const storage::ObjectInfo& info) {
              const std::optional<SnapshotId> id = storage::CommitRecordOfObjectKey(info.key);
              if (!id || tables.snapshot.Committed(*id) != nullptr ||
                  Has(storage::TombstoneObjectKey(*id))) {
                return absl::OkStatus();
              }
              ++pinned.records;
              PinNamed(info.key, pinned);
              return absl::OkStatus();
            })
      .IgnoreError();
  return pinned;
}

void Checker::PinNamed(const std::string& key, Pinned& pinned) const {
  const std::optional<Bytes> bytes = Read(key);
  format::v1::CommitRecord record;
  if (!bytes || !record.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))) {
    pinned.everything = true;  // Torn: nothing is collected until it is looked at.
    return;
  }
  const Tables& tables = ground_.catalog.tables();
  for (const format::v1::RecordRefs& refs : record.refs()) {
    const std::optional<DomainId> domain = DomainId::FromBytes(refs.domain_id());
    const std::int32_t* const no = domain ? tables.domain_id.Committed(*domain) : nullptr;
    if (no == nullptr) continue;
    const ByteView ids = AsBytes(refs.ids());
    for (std::size_t at = 0; at + ChunkId::kBytes <= ids.size(); at += ChunkId::kBytes) {
      const auto id = ChunkId::FromBytes(ids.subspan(at, ChunkId::kBytes));
      const std::uint64_t* const chunk = tables.chunk_id.Committed({*no, *id});
      if (chunk == nullptr) continue;
      pinned.chunks.insert(*chunk);
      pinned.packs.insert(tables.chunk.Committed(*chunk)->pack_no);
    }
  }
}

std::optional<std::string> Checker::FindLeftover() const {
  const Pinned pinned = FindPinned();
  if (pinned.everything) return std::nullopt;
  std::optional<std::string> left;
  const Tables& tables = ground_.catalog.tables();
  tables.session_open.ForEachCommitted([&](const DeviceId&, const SessionId& session) {
    left = fmt::format("session {} never ends", session.hex());
  });
  tables.pack.ForEachCommitted([&](std::int64_t no, const storage::PackRecord& pack) {
    if (pack.state == PackState::kLive || pinned.packs.count(no) > 0) return;
    left = fmt::format("I17: pack {} stays in state {}", no, static_cast<int>(pack.state));
  });
  tables.chunk.ForEachCommitted([&](std::uint64_t no, const IndexedChunk& chunk) {
    // A doomed one goes with its pack.
    if (chunk.state == ChunkState::kLive || chunk.state == ChunkState::kDoomed) return;
    if (pinned.chunks.count(no) > 0) return;
    left = fmt::format("I17: chunk {} stays in state {}", no, static_cast<int>(chunk.state));
  });
  if (pinned.records > 0) return left;
  const absl::Status listed = ground_.disk.List(
      {}, storage::kPackPrefix, [&](const storage::ObjectInfo& info) -> absl::Status {
        const std::optional<PackId> id = storage::PackOfObjectKey(info.key);
        if (!id || tables.pack_id.Committed(*id) == nullptr) {
          left = fmt::format("I17: object {} belongs to no pack", info.key);
        }
        return absl::OkStatus();
      });
  return listed.ok() ? left : listed.ToString();
}

void Checker::CheckAtRest() {
  const std::optional<std::string> left = FindLeftover();
  if (left) Fail(*left);
}

void Checker::CheckAcknowledged(ServerLife& life) {
  for (const auto& [id, promise] : ground_.oracle.acknowledged()) {
    if (ground_.oracle.failure()) return;
    CheckOne(life, id, promise);
    CheckRetry(life, id, promise);
  }
}

void Checker::CheckOne(ServerLife& life, const SnapshotId& id,
                       const Oracle::Acknowledged& promise) {
  const bool is_deleted = ground_.oracle.deleted().count(id) > 0;
  const absl::StatusOr<storage::Repository::OpenedSnapshot> opened =
      life.repository().OpenSnapshot({}, id);
  if (is_deleted && opened.ok()) {
    return Fail(fmt::format("I11: deleted snapshot {} opens", id.hex()));
  }
  // Its deletion was asked for: it may be gone, and may be there.
  if (is_deleted || (ground_.oracle.MayBeGone(id) && !opened.ok())) return;
  if (!opened.ok()) {
    return Fail(fmt::format("I1: acknowledged snapshot {} does not open: {}", id.hex(),
                            opened.status().ToString()));
  }
  if (!promise.is_honest) return;
  const absl::StatusOr<Files> files = ReadSnapshot(life.repository(), {}, id);
  if (!files.ok()) {
    return Fail(fmt::format("I1: acknowledged snapshot {} does not read: {}", id.hex(),
                            files.status().ToString()));
  }
  if (*files != promise.files) {
    Fail(fmt::format("I12: acknowledged snapshot {} holds other files", id.hex()));
  }
}

void Checker::CheckRetry(ServerLife& life, const SnapshotId& id,
                         const Oracle::Acknowledged& promise) {
  const absl::StatusOr<storage::CommitOutcome> again =
      life.repository().Commit({}, promise.agent, promise.request);
  if (!again.ok() || !again->receipt ||
      again->receipt->SerializeAsString() != promise.receipt.SerializeAsString()) {
    Fail(fmt::format("I5: the commit of snapshot {} is not answered as before: {}", id.hex(),
                     again.ok() ? "another receipt" : again.status().ToString()));
  }
}

}  // namespace mooring::testing
