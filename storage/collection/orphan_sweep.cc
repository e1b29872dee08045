#include "storage/collection/orphan_sweep.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/pack_store.h"
#include "storage/catalog/session_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/rowless_records.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kBatch = 4096;

bool IsOld(absl::Time time, const CollectionOptions& options, absl::Time now) {
  return time + options.orphan_age_min <= now;
}

void Count(v1::ObjectFigures& figures, std::uint64_t bytes) {
  figures.set_objects(figures.objects() + 1);
  figures.set_bytes(figures.bytes() + bytes);
}

// Whether the row of a staged pack is gone: nothing can make it live any more. A
// pack goes live only while its session is open, so one of a session that is over
// never will; one without a session is a compaction's, which took no days.
absl::StatusOr<bool> ForgetStaged(const OpContext& ctx, Round& round, const PackId& id) {
  bool is_gone = false;
  MOORING_RETURN_IF_ERROR(
      round.Run(ctx, RepositoryLock::kNone, [&](Transaction& tx, CollectionState&) -> absl::Status {
        is_gone = false;
        MOORING_ASSIGN_OR_RETURN(const auto before, tx.packs().Get(id));
        if (before && before->session) {
          // The session's row first, as an upload takes them.
          MOORING_ASSIGN_OR_RETURN(const auto session,
                                   tx.sessions().Get(*before->session, RowLock::kShared));
          if (session && session->state == v1::SESSION_STATE_OPEN) return absl::OkStatus();
        }
        MOORING_ASSIGN_OR_RETURN(const auto pack, tx.packs().Get(id, RowLock::kExclusive));
        if (pack && pack->state != PackState::kStaged) return absl::OkStatus();
        is_gone = true;
        return tx.packs().Discard(id);
      }));
  return is_gone;
}

// Of the orphans, those that still have no row.
absl::StatusOr<std::vector<PackId>> StillWithoutRow(const OpContext& ctx, Round& round,
                                                    const std::vector<PackId>& orphans) {
  std::vector<PackId> still;
  for (std::size_t at = 0; at < orphans.size(); at += kBatch) {
    const auto batch = std::span(orphans).subspan(at, std::min(kBatch, orphans.size() - at));
    std::vector<PackId> unknown;
    MOORING_RETURN_IF_ERROR(round.Run(
        ctx, RepositoryLock::kNone, [&](Transaction& tx, CollectionState&) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(unknown, tx.packs().ListUnknown(batch));
          return absl::OkStatus();
        }));
    still.insert(still.end(), unknown.begin(), unknown.end());
  }
  return still;
}

// Deleted long enough ago, as the catalog has it.
absl::StatusOr<bool> IsLongDeleted(const OpContext& ctx, Round& round, const SnapshotId& id) {
  bool is_deleted = false;
  MOORING_RETURN_IF_ERROR(
      round.Run(ctx, RepositoryLock::kNone, [&](Transaction& tx, CollectionState&) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const auto view, tx.snapshots().Get(id));
        is_deleted = view && view->snapshot.deleted_at &&
                     IsOld(*view->snapshot.deleted_at, round.options(), round.now());
        return absl::OkStatus();
      }));
  return is_deleted;
}

}  // namespace

std::vector<PackId> OrphansOf(const Stock& stock, const CollectionOptions& options,
                              absl::Time now) {
  std::vector<PackId> ids;
  for (const OrphanPack& orphan : stock.orphans) {
    if (IsOld(orphan.stored_at, options, now)) ids.push_back(orphan.id);
  }
  for (const PackUse& pack : stock.packs) {
    if (pack.state == PackState::kStaged && !pack.is_open && IsOld(pack.created_at, options, now)) {
      ids.push_back(pack.id);
    }
  }
  return ids;
}

absl::Status SweepOrphanPacks(const OpContext& ctx, Round& round, const Stock& stock,
                              const absl::flat_hash_set<PackId>& journaled) {
  std::vector<PackId> orphans;
  for (const PackId& id : OrphansOf(stock, round.options(), round.now())) {
    if (!journaled.contains(id)) continue;
    // Those that never had a row pass at once.
    MOORING_ASSIGN_OR_RETURN(const bool is_gone, ForgetStaged(ctx, round, id));
    if (is_gone) orphans.push_back(id);
  }
  MOORING_ASSIGN_OR_RETURN(orphans, StillWithoutRow(ctx, round, orphans));
  if (orphans.empty()) return absl::OkStatus();
  // After the rows: a record that is written later stands on rows that are live now.
  CollectionParts& parts = round.parts();
  MOORING_ASSIGN_OR_RETURN(const std::vector<SnapshotId> rowless,
                           ListRowlessRecords(ctx, parts.catalog, parts.objects));
  if (!rowless.empty()) {
    round.report().add_notes(fmt::format(
        "{} pack objects that nothing points to are kept, because {} commit records have no"
        " snapshot (the first is {}); mooring repository rebuild --reconcile settles them",
        orphans.size(), rowless.size(), rowless.front().hex()));
    return absl::OkStatus();
  }
  for (const PackId& orphan : orphans) {
    const std::string key = PackObjectKey(orphan);
    // A staged pack may have no object, or one that was not listed yet.
    const absl::StatusOr<ObjectInfo> info = parts.objects.Stat(ctx, key);
    if (absl::IsNotFound(info.status())) continue;
    if (!info.ok()) return info.status();
    const absl::Status removed = parts.objects.Remove(ctx, key);
    if (absl::IsFailedPrecondition(removed)) continue;  // Locked: another round's.
    MOORING_RETURN_IF_ERROR(removed);
    Count(*round.report().mutable_orphans_removed(), info->size_bytes);
  }
  return absl::OkStatus();
}

absl::Status SweepDeletedRecords(const OpContext& ctx, Round& round) {
  CollectionParts& parts = round.parts();
  std::vector<std::pair<SnapshotId, std::uint64_t>> pairs;
  std::optional<std::pair<SnapshotId, std::uint64_t>> record;
  MOORING_RETURN_IF_ERROR(parts.objects.List(ctx, kSnapshotPrefix, [&](const ObjectInfo& info) {
    const std::optional<SnapshotId> gone = TombstoneOfObjectKey(info.key);
    if (record && gone == record->first) pairs.push_back(*record);
    record.reset();
    if (const auto id = CommitRecordOfObjectKey(info.key)) record.emplace(*id, info.size_bytes);
    return absl::OkStatus();
  }));
  for (const auto& [id, bytes] : pairs) {
    MOORING_ASSIGN_OR_RETURN(const bool is_deleted, IsLongDeleted(ctx, round, id));
    if (!is_deleted) continue;
    const absl::Status removed = parts.objects.Remove(ctx, CommitRecordObjectKey(id));
    if (absl::IsFailedPrecondition(removed)) continue;
    MOORING_RETURN_IF_ERROR(removed);
    Count(*round.report().mutable_records_removed(), bytes);
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
