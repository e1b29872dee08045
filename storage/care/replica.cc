#include "storage/care/replica.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/care/pack_check.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/collection/doom_journal.h"
#include "storage/objects/object_layout.h"
#include "storage/pack/pack.h"
#include "storage/repository/store_records.h"
#include "storage/repository/whole_object.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::storage {
namespace {

constexpr int kPackBatch = 64;
constexpr std::uint64_t kTombstoneBytesMax = 8192;
constexpr std::uint64_t kCopyPieceBytes = std::uint64_t{4} << 20;

// In this order: whoever reads the replica finds keys and packs before what needs them.
constexpr std::string_view kPrefixes[] = {"keys/", "gc/", "snapshots/", "catalog/"};

bool IsOver(const absl::Status& status) {
  return absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
}

bool IsDamage(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

// Reads `out.size()` bytes, or kDataLoss.
absl::Status ReadExactly(const OpContext& ctx, ObjectStore& objects, const std::string& key,
                         std::uint64_t offset, std::span<std::byte> out) {
  MOORING_ASSIGN_OR_RETURN(const std::size_t read, objects.ReadAt(ctx, key, offset, out));
  return read == out.size() ? absl::OkStatus()
                            : absl::DataLossError("the object ends before its size says");
}

// A pack object against its own footer: every byte of it is covered by that.
absl::Status VerifyPackObject(const OpContext& ctx, ObjectStore& objects,
                              const SecretBytes& pack_index_key, const PackRecord& pack) {
  const std::string key = PackObjectKey(pack.id);
  MOORING_ASSIGN_OR_RETURN(const ObjectInfo info, objects.Stat(ctx, key));
  if (info.size_bytes != pack.bytes) {
    return absl::DataLossError(
        fmt::format("it has {} bytes, recorded are {}", info.size_bytes, pack.bytes));
  }
  const absl::StatusOr<PackFooter> footer =
      ReadFooterOf(ctx, objects, pack_index_key, pack.id, info.size_bytes);
  // The header names another key: among this repository's packs that is damage.
  if (absl::IsPermissionDenied(footer.status())) {
    return absl::DataLossError(footer.status().message());
  }
  MOORING_RETURN_IF_ERROR(footer.status());
  if (footer->pack != pack.id) return absl::DataLossError("it is another pack");
  std::uint64_t bad = 0;
  MOORING_RETURN_IF_ERROR(VerifyPack(
      *footer, info.size_bytes,
      [&](std::uint64_t offset, std::span<std::byte> out) {
        return ReadExactly(ctx, objects, key, offset, out);
      },
      [&bad](const PackEntry&) { ++bad; }));
  if (bad > 0) return absl::DataLossError(fmt::format("{} chunks are bad", bad));
  return absl::OkStatus();
}

}  // namespace

struct ReplicaSync::Pass {
  Pass(Clock& clock, std::uint64_t bytes_per_second) : pace(clock, bytes_per_second) {}

  ReplicaProgress progress;
  Pace pace;
  std::set<SnapshotId> tombstones;
};

absl::StatusOr<ReplicaProgress> ReplicaSync::Run(const OpContext& ctx, bool full, Report report) {
  Pass pass(parts_.clock, bytes_per_second_);
  const absl::Time began = parts_.clock.Now();
  const auto run = [&]() -> absl::Status {
    MOORING_RETURN_IF_ERROR(CheckStoreIsThere(ctx, parts_.primary));
    MOORING_RETURN_IF_ERROR(Identify(ctx));
    if (full) MOORING_RETURN_IF_ERROR(CheckPacks(ctx, pass));
    // Packs before records: what names a chunk comes after the chunk.
    MOORING_RETURN_IF_ERROR(CopyPacks(ctx, pass, report));
    for (const std::string_view prefix : kPrefixes) {
      MOORING_RETURN_IF_ERROR(CopyObjects(ctx, prefix, full, pass));
      report(pass.progress);
    }
    MOORING_RETURN_IF_ERROR(ApplyTombstones(ctx, pass));
    MOORING_RETURN_IF_ERROR(ApplyJournals(ctx, pass));
    return parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(CareState state, tx.care().State(RowLock::kExclusive));
      if (pass.progress.packs_bad == 0) state.replica_synced_at = began;
      return tx.care().SetState(state);
    });
  };
  const absl::Status done = run();
  if (!done.ok() && !IsOver(done)) return done;
  pass.progress.is_complete = done.ok() && pass.progress.packs_bad == 0;
  report(pass.progress);
  return pass.progress;
}

// The replica is empty, or this repository's.
absl::Status ReplicaSync::Identify(const OpContext& ctx) {
  // It has no checksum: a byte that goes wrong on its way would make the replica
  // another repository's for good.
  MOORING_ASSIGN_OR_RETURN(const Bytes ours,
                           ReadSettledObject(parts_.primary, ctx, kRepositoryObjectKey, 4096));
  absl::Status put = PutAndReadBack(parts_.replica, ctx, kRepositoryObjectKey, ours);
  if (absl::IsAlreadyExists(put)) {
    MOORING_ASSIGN_OR_RETURN(const bool is_ours, IsOurs(ctx));
    if (!is_ours) {
      return absl::FailedPreconditionError("the replica belongs to another repository");
    }
    MOORING_RETURN_IF_ERROR(Annotate(parts_.replica.Remove(ctx, kRepositoryObjectKey), "replica"));
    put = PutAndReadBack(parts_.replica, ctx, kRepositoryObjectKey, ours);
  }
  return Annotate(put, "replica");
}

// Whether a replica whose identity differs is this repository's and damaged: it
// has this repository's wrapped key, or nothing at all.
absl::StatusOr<bool> ReplicaSync::IsOurs(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(
      const Bytes ours,
      ReadSettledObject(parts_.primary, ctx, kOrganizationKeyObjectKey, kObjectBytesMax));
  const absl::StatusOr<Bytes> theirs =
      ReadSettledObject(parts_.replica, ctx, kOrganizationKeyObjectKey, kObjectBytesMax);
  if (theirs.ok()) return *theirs == ours;
  if (!IsDamage(theirs.status())) return Annotate(theirs.status(), "replica");
  bool is_empty = true;
  MOORING_RETURN_IF_ERROR(parts_.replica.List(ctx, "", [&is_empty](const ObjectInfo& info) {
    if (info.key != kRepositoryObjectKey) is_empty = false;
    return absl::OkStatus();
  }));
  return is_empty;
}

absl::Status ReplicaSync::CopyPacks(const OpContext& ctx, Pass& pass, Report report) {
  std::int64_t after = 0;
  while (true) {
    std::vector<PackRecord> batch;
    CareTotals totals;
    MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(batch, tx.care().NextToReplicate(after, kPackBatch));
      MOORING_ASSIGN_OR_RETURN(totals, tx.care().Totals());
      return absl::OkStatus();
    }));
    if (batch.empty()) return absl::OkStatus();
    pass.progress.packs_left = totals.packs_unreplicated;
    for (const PackRecord& pack : batch) {
      MOORING_RETURN_IF_ERROR(CopyPack(ctx, pack, pass));
      if (pass.progress.packs_left > 0) --pass.progress.packs_left;
      report(pass.progress);
    }
    after = batch.back().no;
  }
}

absl::Status ReplicaSync::CopyPack(const OpContext& ctx, const PackRecord& pack, Pass& pass) {
  const std::string key = PackObjectKey(pack.id);
  // There from an attempt whose end was not noted, or from before a rebuild.
  absl::Status there = VerifyPackObject(ctx, parts_.replica, parts_.pack_index_key, pack);
  if (!there.ok() && !IsDamage(there)) return Annotate(there, "replica");
  if (absl::IsDataLoss(there)) {
    MOORING_RETURN_IF_ERROR(Annotate(parts_.replica.Remove(ctx, key), "replica"));
  }
  if (!there.ok()) {
    const absl::Status good = VerifyPackObject(ctx, parts_.primary, parts_.pack_index_key, pack);
    if (IsDamage(good)) {
      MOORING_RETURN_IF_ERROR(CheckStoreIsThere(ctx, parts_.primary));
      return PassOver(ctx, pack, pass);
    }
    MOORING_RETURN_IF_ERROR(good);
    MOORING_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer,
                             parts_.replica.NewObject(ctx, key));
    Bytes buffer;
    for (std::uint64_t at = 0; at < pack.bytes;) {
      buffer.resize(std::min(kCopyPieceBytes, pack.bytes - at));
      MOORING_RETURN_IF_ERROR(pass.pace.Take(ctx, buffer.size()));
      MOORING_RETURN_IF_ERROR(ReadExactly(ctx, parts_.primary, key, at, buffer));
      MOORING_RETURN_IF_ERROR(Annotate(writer->Append(ctx, buffer), "replica"));
      at += buffer.size();
    }
    MOORING_RETURN_IF_ERROR(Annotate(writer->Commit(ctx, absl::InfinitePast()), "replica"));
    // On arrival: what the replica gives back, not what it was given.
    there = VerifyPackObject(ctx, parts_.replica, parts_.pack_index_key, pack);
    if (IsDamage(there)) {
      MOORING_RETURN_IF_ERROR(Annotate(parts_.replica.Remove(ctx, key), "replica"));
      return absl::UnavailableError(fmt::format("replica: pack {} did not arrive whole: {}",
                                                pack.id.hex(), std::string(there.message())));
    }
    MOORING_RETURN_IF_ERROR(Annotate(there, "replica"));
    ++pass.progress.packs_copied;
    pass.progress.bytes_copied += pack.bytes;
  }
  return parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.care().MarkReplicated(pack.id, parts_.clock.Now()));
    return tx.care().Resolve(FindingKind::kReplica, key, "copied again", parts_.clock.Now());
  });
}

// A pack that is bad at the source. The next scrub looks at it first; one in which
// nothing is left but evidence need not be copied at all.
absl::Status ReplicaSync::PassOver(const OpContext& ctx, const PackRecord& pack, Pass& pass) {
  bool is_needed = false;
  const absl::Status noted = parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto rows, tx.care().ChunksOfPack(pack.id));
    is_needed = std::any_of(rows.begin(), rows.end(), [](const ChunkLocation& row) {
      return row.state == ChunkState::kLive || row.state == ChunkState::kCondemned;
    });
    return is_needed ? tx.care().MarkScrubbed(pack.id, std::nullopt)
                     : tx.care().MarkReplicated(pack.id, parts_.clock.Now());
  });
  if (noted.ok() && is_needed) ++pass.progress.packs_bad;
  return noted;
}

// Packs that count as replicated: are they there, and as long as they should be?
// One pass over the replica's listing beside one over the rows.
absl::Status ReplicaSync::CheckPacks(const OpContext& ctx, Pass& pass) {
  std::map<std::string, std::uint64_t> there;
  MOORING_RETURN_IF_ERROR(parts_.replica.List(ctx, kPackPrefix, [&there](const ObjectInfo& info) {
    there[info.key] = info.size_bytes;
    return absl::OkStatus();
  }));
  std::vector<PackRecord> live;
  MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(live, tx.packs().List(PackState::kLive));
    return absl::OkStatus();
  }));
  for (const PackRecord& pack : live) {
    const std::string key = PackObjectKey(pack.id);
    const auto found = there.find(key);
    if (found != there.end() && found->second == pack.bytes) continue;
    ++pass.progress.packs_again;
    MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      return tx.care().MarkReplicated(pack.id, std::nullopt);
    }));
  }
  return absl::OkStatus();
}

absl::Status ReplicaSync::CopyObjects(const OpContext& ctx, std::string_view prefix, bool full,
                                      Pass& pass) {
  // Key and length of what the replica has: two listings side by side.
  std::map<std::string, std::uint64_t> there;
  MOORING_RETURN_IF_ERROR(parts_.replica.List(ctx, prefix, [&there](const ObjectInfo& info) {
    there[info.key] = info.size_bytes;
    return absl::OkStatus();
  }));
  std::vector<std::string> wanted;
  MOORING_RETURN_IF_ERROR(parts_.primary.List(ctx, prefix, [&](const ObjectInfo& info) {
    if (const auto gone = TombstoneOfObjectKey(info.key)) pass.tombstones.insert(*gone);
    const auto found = there.find(info.key);
    const bool differs = found == there.end() || found->second != info.size_bytes;
    if (differs || full) wanted.push_back(info.key);
    return absl::OkStatus();
  }));
  for (const std::string& key : wanted) {
    MOORING_RETURN_IF_ERROR(CheckContext(ctx, parts_.clock));
    MOORING_RETURN_IF_ERROR(CopyObject(ctx, key, full, pass));
  }
  return absl::OkStatus();
}

absl::Status ReplicaSync::CopyObject(const OpContext& ctx, const std::string& key, bool full,
                                     Pass& pass) {
  MOORING_ASSIGN_OR_RETURN(const bool may_copy, MayCopy(ctx, key));
  if (!may_copy) return absl::OkStatus();
  const absl::StatusOr<Bytes> bytes = ReadWholeObject(parts_.primary, ctx, key, kObjectBytesMax);
  if (absl::IsNotFound(bytes.status())) return absl::OkStatus();  // Removed since it was listed.
  MOORING_RETURN_IF_ERROR(bytes.status());
  if (full) {
    const absl::StatusOr<Bytes> copy = ReadWholeObject(parts_.replica, ctx, key, kObjectBytesMax);
    if (copy.ok() && *copy == *bytes) return absl::OkStatus();
    if (!copy.ok() && !IsDamage(copy.status())) return Annotate(copy.status(), "replica");
  }
  MOORING_RETURN_IF_ERROR(pass.pace.Take(ctx, bytes->size()));
  absl::Status put = PutAndReadBack(parts_.replica, ctx, key, *bytes);
  if (absl::IsAlreadyExists(put)) {
    // A key that was wrapped anew, a record that was mended, or a copy that rotted.
    MOORING_RETURN_IF_ERROR(Annotate(parts_.replica.Remove(ctx, key), "replica"));
    put = PutAndReadBack(parts_.replica, ctx, key, *bytes);
  }
  MOORING_RETURN_IF_ERROR(Annotate(put, "replica"));
  // Nothing tells from the bytes alone that they were read right: read twice.
  const absl::StatusOr<Bytes> again = ReadWholeObject(parts_.primary, ctx, key, kObjectBytesMax);
  if (!again.ok() || *again != *bytes) {
    MOORING_RETURN_IF_ERROR(Annotate(parts_.replica.Remove(ctx, key), "replica"));
    if (absl::IsNotFound(again.status())) return absl::OkStatus();  // Removed meanwhile.
    MOORING_RETURN_IF_ERROR(again.status());
    return absl::UnavailableError(fmt::format("{} changed while it was copied", key));
  }
  ++pass.progress.objects_copied;
  pass.progress.bytes_copied += bytes->size();
  return absl::OkStatus();
}

// A commit record is final once a row stands for it; a key or a record of what
// has a tombstone stays away.
absl::StatusOr<bool> ReplicaSync::MayCopy(const OpContext& ctx, const std::string& key) {
  std::optional<SnapshotId> snapshot = CommitRecordOfObjectKey(key);
  if (!snapshot) snapshot = SnapshotKeyOfObjectKey(key);
  if (!snapshot) return true;
  bool is_live = false;
  MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto view, tx.snapshots().Get(*snapshot));
    is_live = view && !view->snapshot.deleted_at;
    return absl::OkStatus();
  }));
  return is_live;
}

// The replica's own tombstones count as well: the first store may have lost its.
absl::Status ReplicaSync::ApplyTombstones(const OpContext& ctx, Pass& pass) {
  std::vector<SnapshotId> gone;
  std::set<std::string> there;
  MOORING_RETURN_IF_ERROR(parts_.replica.List(ctx, kSnapshotPrefix, [&](const ObjectInfo& info) {
    if (const auto id = TombstoneOfObjectKey(info.key)) gone.push_back(*id);
    if (CommitRecordOfObjectKey(info.key)) there.insert(info.key);
    return absl::OkStatus();
  }));
  MOORING_RETURN_IF_ERROR(
      parts_.replica.List(ctx, kSnapshotKeyPrefix, [&there](const ObjectInfo& info) {
        there.insert(info.key);
        return absl::OkStatus();
      }));
  for (const SnapshotId& snapshot : gone) {
    const std::string key_object = SnapshotKeyObjectKey(snapshot);
    const std::string record = CommitRecordObjectKey(snapshot);
    if (!there.contains(key_object) && !there.contains(record)) continue;
    const absl::StatusOr<Bytes> bytes =
        ReadWholeObject(parts_.replica, ctx, TombstoneObjectKey(snapshot), kTombstoneBytesMax);
    if (!bytes.ok() && !IsDamage(bytes.status())) return Annotate(bytes.status(), "replica");
    if (!bytes.ok()) continue;
    const absl::StatusOr<Tombstone> tombstone = DecodeTombstone(*bytes);
    if (!tombstone.ok() || tombstone->snapshot != snapshot) continue;
    for (const std::string& key : {key_object, record}) {
      if (!there.contains(key)) continue;
      // The record goes when the first store's is gone; the key at once.
      if (key == record) {
        const absl::Status kept = parts_.primary.Stat(ctx, key).status();
        if (kept.ok()) continue;
        if (!absl::IsNotFound(kept)) return kept;
      }
      const absl::Status removed = parts_.replica.Remove(ctx, key);
      if (absl::IsFailedPrecondition(removed)) continue;  // Locked: tried again.
      MOORING_RETURN_IF_ERROR(Annotate(removed, "replica"));
      ++pass.progress.objects_removed;
    }
  }
  return absl::OkStatus();
}

absl::Status ReplicaSync::ApplyJournals(const OpContext& ctx, Pass& pass) {
  std::vector<std::string> journals;
  MOORING_RETURN_IF_ERROR(parts_.replica.List(ctx, "gc/doom-", [&](const ObjectInfo& info) {
    journals.push_back(info.key);
    return absl::OkStatus();
  }));
  for (const std::string& journal : journals) {
    MOORING_RETURN_IF_ERROR(CheckContext(ctx, parts_.clock));
    const absl::StatusOr<Bytes> bytes =
        ReadWholeObject(parts_.replica, ctx, journal, kObjectBytesMax);
    if (!bytes.ok()) {
      if (IsDamage(bytes.status())) continue;
      return Annotate(bytes.status(), "replica");
    }
    const absl::StatusOr<DoomJournal> doomed = DecodeDoomJournal(parts_.pack_index_key, *bytes);
    if (!doomed.ok()) continue;  // What cannot be proved removes nothing.
    for (const PackId& pack : doomed->packs) {
      const std::string key = PackObjectKey(pack);
      // Still there: not unlinked yet, and it may not be before its time here either.
      const absl::Status kept = parts_.primary.Stat(ctx, key).status();
      if (kept.ok()) continue;
      if (!absl::IsNotFound(kept)) return kept;
      std::optional<PackRecord> row;
      MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(row, tx.packs().Get(pack));
        return absl::OkStatus();
      }));
      if (row && row->state != PackState::kDoomed) continue;
      const absl::Status copy = parts_.replica.Stat(ctx, key).status();
      if (absl::IsNotFound(copy)) continue;
      MOORING_RETURN_IF_ERROR(Annotate(copy, "replica"));
      const absl::Status removed = parts_.replica.Remove(ctx, key);
      if (absl::IsFailedPrecondition(removed)) continue;
      MOORING_RETURN_IF_ERROR(Annotate(removed, "replica"));
      ++pass.progress.packs_removed;
    }
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
