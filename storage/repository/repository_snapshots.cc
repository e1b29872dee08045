// Snapshots that are there: opening, reading, verifying, deleting.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/hold_store.h"
#include "storage/catalog/key_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/audit_detail.h"
#include "storage/repository/chunk_set.h"
#include "storage/repository/deletion.h"
#include "storage/repository/repository_impl.h"
#include "storage/repository/store_records.h"
#include "storage/repository/whole_object.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kVerifyBatch = 1024;
constexpr std::size_t kDamagedListMax = 10'000;
constexpr std::uint64_t kTombstoneBytesMax = 8192;
constexpr std::size_t kOrphanBatch = 256;
constexpr int kDecidedBatch = 256;

absl::Status NoSuchSnapshot() {
  return absl::NotFoundError("no such snapshot");
}

}  // namespace

absl::StatusOr<std::pair<SnapshotRecord, SnapshotContent>> RepositoryImpl::GetSnapshot(
    const OpContext& ctx, const SnapshotId& snapshot) {
  std::optional<SnapshotView> view;
  std::optional<SnapshotContent> content;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(view, tx.snapshots().Get(snapshot));
    MOORING_ASSIGN_OR_RETURN(content, tx.snapshots().GetContent(snapshot));
    return absl::OkStatus();
  }));
  if (!view || !content || view->snapshot.deleted_at) return NoSuchSnapshot();
  return std::pair(std::move(view->snapshot), *std::move(content));
}

absl::StatusOr<Repository::OpenedSnapshot> RepositoryImpl::OpenSnapshot(
    const OpContext& ctx, const SnapshotId& snapshot) {
  MOORING_ASSIGN_OR_RETURN(auto found, GetSnapshot(ctx, snapshot));
  std::optional<KeySlot> slot;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(slot, tx.keys().Get(KeyPurpose::kSnapshotKey, snapshot.view()));
    return absl::OkStatus();
  }));
  if (!slot) return absl::NotFoundError("the snapshot's key was destroyed");
  MOORING_ASSIGN_OR_RETURN(const SecretBytes person_key,
                           keys_.ExistingPersonKey(ctx, found.first.person));
  OpenedSnapshot opened;
  MOORING_ASSIGN_OR_RETURN(opened.snapshot_key,
                           UnwrapSnapshotKey(person_key, snapshot, slot->wrapped));
  opened.root = std::move(found.second.root);
  return opened;
}

absl::Status RepositoryImpl::ReadChunks(const OpContext& ctx, const SnapshotId& snapshot,
                                        const std::vector<ChunkId>& ids,
                                        absl::FunctionRef<absl::Status(ByteView sealed)> sink) {
  if (ids.size() > kReadIdsMax) {
    return absl::InvalidArgumentError(
        fmt::format("read chunks: {} ids, more than {}", ids.size(), kReadIdsMax));
  }
  MOORING_ASSIGN_OR_RETURN(const auto found, GetSnapshot(ctx, snapshot));
  MOORING_ASSIGN_OR_RETURN(const ChunkSet refs, ChunkSet::Parse(found.second.refs));
  MOORING_ASSIGN_OR_RETURN(const DomainId person_domain, DomainOf(ctx, found.first.person));
  std::vector<ChunkLocation> chunks;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    chunks.clear();
    const DomainId domains[] = {person_domain, organization_domain_};
    MOORING_ASSIGN_OR_RETURN(const auto located, tx.chunks().Locate(domains, ids));
    for (const std::optional<ChunkLocation>& chunk : located) {
      if (!chunk || !refs.Contains(chunk->no)) {
        return absl::PermissionDeniedError("read chunks: a chunk is not of this snapshot");
      }
      chunks.push_back(*chunk);
    }
    return absl::OkStatus();
  }));
  return reader_.Read(ctx, chunks,
                      [&sink](const ChunkLocation&, ByteView sealed) { return sink(sealed); });
}

absl::StatusOr<VerifyResult> RepositoryImpl::Verify(
    const OpContext& ctx, const SnapshotId& snapshot,
    absl::FunctionRef<void(const VerifyResult&)> progress) {
  MOORING_ASSIGN_OR_RETURN(const auto found, GetSnapshot(ctx, snapshot));
  MOORING_ASSIGN_OR_RETURN(const ChunkSet refs, ChunkSet::Parse(found.second.refs));
  VerifyResult result;
  result.chunks_total = refs.size();
  std::uint64_t damaged_count = 0;
  const auto batch = [&](const std::vector<std::uint64_t>& numbers) -> absl::Status {
    std::vector<ChunkLocation> chunks;
    MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(chunks, tx.chunks().LocateNumbers(numbers));
      return absl::OkStatus();
    }));
    damaged_count += numbers.size() - chunks.size();  // Chunks without a row.
    result.chunks_checked += numbers.size() - chunks.size();
    // In the order of the disk.
    std::sort(chunks.begin(), chunks.end(), [](const ChunkLocation& a, const ChunkLocation& b) {
      return a.pack != b.pack ? a.pack < b.pack : a.offset < b.offset;
    });
    MOORING_RETURN_IF_ERROR(reader_.Read(
        ctx, chunks,
        [&result](const ChunkLocation& chunk, ByteView) {
          ++result.chunks_checked;
          result.bytes_checked += chunk.bytes;
          return absl::OkStatus();
        },
        [&](const ChunkLocation& chunk, const absl::Status&) {
          ++result.chunks_checked;
          ++damaged_count;
          if (result.damaged.size() < kDamagedListMax) result.damaged.push_back(chunk.id);
          return absl::OkStatus();
        }));
    progress(result);
    return absl::OkStatus();
  };
  MOORING_RETURN_IF_ERROR(refs.ForEachBatch(kVerifyBatch, batch));
  const absl::Status recorded = catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    const absl::Time now = clock_.Now();
    MOORING_RETURN_IF_ERROR(tx.snapshots().MarkVerified(snapshot, damaged_count, now));
    return tx.Audit(
        {.at = now,
         .actor = "server",
         .action = "snapshot.verify",
         .subject = snapshot.hex(),
         .detail_json = AuditDetail({{"checked", fmt::format("{}", result.chunks_checked)},
                                     {"damaged", fmt::format("{}", damaged_count)}})});
  });
  MOORING_RETURN_IF_ERROR(recorded);
  return result;
}

absl::Status RepositoryImpl::Delete(const OpContext& ctx, const SnapshotId& snapshot,
                                    const std::string& actor, const std::string& reason,
                                    absl::FunctionRef<absl::Status(Transaction&)> allowed) {
  if (actor.empty() || actor.size() > kActorBytesMax) {
    return absl::InvalidArgumentError("delete: the actor is empty or too long");
  }
  if (reason.empty() || reason.size() > kReasonBytesMax) {
    return absl::InvalidArgumentError("delete: the reason is empty or too long");
  }
  const auto decide = [&](Transaction& tx) {
    return DecideDeletion(tx, snapshot, actor, reason, clock_.Now(), allowed);
  };
  absl::Status decided = catalog_.Run(ctx, decide);
  for (int i = 0; i < 2 && absl::IsUnknown(decided); ++i) decided = catalog_.Run(ctx, decide);
  MOORING_RETURN_IF_ERROR(decided);
  return CompleteDeletion(ctx, snapshot, actor, reason);
}

absl::Status RepositoryImpl::CompleteDeletion(const OpContext& ctx, const SnapshotId& snapshot,
                                              const std::string& actor, const std::string& reason) {
  MOORING_RETURN_IF_ERROR(WriteTombstone(ctx, snapshot, actor, reason));
  MOORING_RETURN_IF_ERROR(MarkDeleted(ctx, snapshot, actor, reason));
  return Annotate(objects_.Remove(ctx, SnapshotKeyObjectKey(snapshot)),
                  "deleted, but its key object remains until the next start");
}

absl::Status RepositoryImpl::WriteTombstone(const OpContext& ctx, const SnapshotId& snapshot,
                                            const std::string& actor, const std::string& reason) {
  const std::string key = TombstoneObjectKey(snapshot);
  const Bytes bytes = EncodeTombstone(
      {.snapshot = snapshot, .deleted_at = clock_.Now(), .actor = actor, .reason = reason});
  const absl::Status put = PutChecked(objects_, ctx, key, bytes);
  if (!absl::IsAlreadyExists(put)) return put;
  return catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.snapshots().Get(snapshot, RowLock::kExclusive).status());
    // Another attempt's stands, if it is whole.
    const absl::StatusOr<Bytes> there = ReadSettledObject(objects_, ctx, key, kTombstoneBytesMax);
    if (there.ok()) {
      const absl::StatusOr<Tombstone> tombstone = DecodeTombstone(*there);
      if (tombstone.ok() && tombstone->snapshot == snapshot) return absl::OkStatus();
    } else if (!absl::IsNotFound(there.status()) && !absl::IsDataLoss(there.status())) {
      return there.status();
    }
    return ReplaceChecked(objects_, ctx, key, bytes);
  });
}

absl::Status RepositoryImpl::MarkDeleted(const OpContext& ctx, const SnapshotId& snapshot,
                                         const std::string& actor, const std::string& reason) {
  const auto mark = [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const std::optional<SnapshotView> view,
                             tx.snapshots().Get(snapshot, RowLock::kExclusive));
    if (!view) return NoSuchSnapshot();
    MOORING_RETURN_IF_ERROR(tx.keys().Delete(KeyPurpose::kSnapshotKey, snapshot.view()));
    if (view->snapshot.deleted_at) return absl::OkStatus();
    const absl::Time now = clock_.Now();
    MOORING_RETURN_IF_ERROR(tx.snapshots().MarkDeleted(snapshot, now));
    return tx.Audit({.at = now,
                     .actor = actor,
                     .action = "snapshot.delete",
                     .subject = snapshot.hex(),
                     .detail_json = AuditDetail({{"reason", reason}})});
  };
  absl::Status marked = catalog_.Run(ctx, mark);
  for (int i = 0; i < 2 && absl::IsUnknown(marked); ++i) marked = catalog_.Run(ctx, mark);
  return marked;
}

absl::Status RepositoryImpl::FinishDecided(const OpContext& ctx) {
  while (true) {
    std::vector<SnapshotId> decided;
    MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(decided, tx.holds().ListDecided(kDecidedBatch));
      return absl::OkStatus();
    }));
    if (decided.empty()) return absl::OkStatus();
    for (const SnapshotId& snapshot : decided) {
      MOORING_RETURN_IF_ERROR(
          CompleteDeletion(ctx, snapshot, "server", "a deletion that was decided before"));
    }
  }
}

// Key objects and tombstones are both listed in the order of their snapshots,
// so one pass over each finds the deletions that were not completed.
absl::Status RepositoryImpl::FinishDeletions(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(FinishDecided(ctx));
  std::vector<SnapshotId> with_key;
  MOORING_RETURN_IF_ERROR(objects_.List(ctx, kSnapshotKeyPrefix, [&](const ObjectInfo& info) {
    if (const auto id = SnapshotKeyOfObjectKey(info.key)) with_key.push_back(*id);
    return absl::OkStatus();
  }));
  std::vector<SnapshotId> unfinished;
  MOORING_RETURN_IF_ERROR(objects_.List(ctx, kSnapshotPrefix, [&](const ObjectInfo& info) {
    const std::optional<SnapshotId> id = TombstoneOfObjectKey(info.key);
    if (id && std::binary_search(with_key.begin(), with_key.end(), *id)) unfinished.push_back(*id);
    return absl::OkStatus();
  }));
  for (const SnapshotId& snapshot : unfinished) {
    MOORING_ASSIGN_OR_RETURN(
        const Bytes bytes,
        ReadSettledObject(objects_, ctx, TombstoneObjectKey(snapshot), kTombstoneBytesMax));
    const absl::StatusOr<Tombstone> tombstone = DecodeTombstone(bytes);
    // One that was torn was never acknowledged, and says nothing.
    if (!tombstone.ok() || tombstone->snapshot != snapshot) continue;
    const absl::Status marked = MarkDeleted(ctx, snapshot, tombstone->actor, tombstone->reason);
    if (!marked.ok() && !absl::IsNotFound(marked)) return marked;
    MOORING_RETURN_IF_ERROR(objects_.Remove(ctx, SnapshotKeyObjectKey(snapshot)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> RepositoryImpl::CountOrphanRecords(const OpContext& ctx) {
  std::uint64_t orphans = 0;
  std::vector<SnapshotId> batch;
  const auto count = [&]() -> absl::Status {
    MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
      std::uint64_t found = 0;
      for (const SnapshotId& id : batch) {
        MOORING_ASSIGN_OR_RETURN(const std::optional<SnapshotView> view, tx.snapshots().Get(id));
        if (!view) ++found;
      }
      orphans += found;
      return absl::OkStatus();
    }));
    batch.clear();
    return absl::OkStatus();
  };
  MOORING_RETURN_IF_ERROR(
      objects_.List(ctx, kSnapshotPrefix, [&](const ObjectInfo& info) -> absl::Status {
        if (const auto id = CommitRecordOfObjectKey(info.key)) batch.push_back(*id);
        return batch.size() < kOrphanBatch ? absl::OkStatus() : count();
      }));
  MOORING_RETURN_IF_ERROR(count());
  return orphans;
}

}  // namespace mooring::storage
