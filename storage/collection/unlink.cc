#include "storage/collection/unlink.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/pack_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/rowless_records.h"
#include "storage/repository/timestamps.h"

namespace mooring::storage {
namespace {

constexpr absl::Duration kShareWindow = absl::Hours(24);

void Count(v1::ObjectFigures& figures, const PackRecord& pack) {
  figures.set_objects(figures.objects() + 1);
  figures.set_bytes(figures.bytes() + pack.bytes);
}

absl::Time WindowStart(const v1::CollectionFigures& figures) {
  return FromTimestamp(figures.window_started_at()).value_or(absl::UnixEpoch());
}

// Removals of the last day, kept in the state's figures.
std::uint64_t RemovedInWindow(const CollectionState& state, absl::Time now) {
  v1::CollectionFigures figures;
  if (!figures.ParseFromArray(state.figures.data(), static_cast<int>(state.figures.size()))) {
    return 0;
  }
  return WindowStart(figures) + kShareWindow > now ? figures.window_removed_bytes() : 0;
}

void AddRemoved(CollectionState& state, std::uint64_t bytes, absl::Time now) {
  v1::CollectionFigures figures;
  if (!figures.ParseFromArray(state.figures.data(), static_cast<int>(state.figures.size()))) {
    figures.Clear();
  }
  if (WindowStart(figures) + kShareWindow <= now) {
    *figures.mutable_window_started_at() = ToTimestamp(now);
    figures.set_window_removed_bytes(0);
  }
  figures.set_window_removed_bytes(figures.window_removed_bytes() + bytes);
  state.figures = ToBytes(figures.SerializeAsString());
}

class Unlinker {
 public:
  Unlinker(Round& round, const absl::flat_hash_set<PackId>& journaled)
      : round_(round), journaled_(journaled) {}

  absl::Status Run(const OpContext& ctx, std::uint64_t allowed) {
    std::vector<PackRecord> doomed;
    std::uint64_t removed = 0;
    MOORING_RETURN_IF_ERROR(round_.Run(
        ctx, RepositoryLock::kNone, [&](Transaction& tx, CollectionState& state) -> absl::Status {
          removed = RemovedInWindow(state, round_.now());
          MOORING_ASSIGN_OR_RETURN(doomed, tx.packs().List(PackState::kDoomed));
          return absl::OkStatus();
        }));
    // In this order: a record that is written later stands on rows that are live now.
    MOORING_RETURN_IF_ERROR(FindNamedPacks(ctx));
    std::uint64_t done = 0;
    for (const PackRecord& pack : doomed) {
      round_.Progress("remove", ++done, doomed.size());
      if (!IsReady(pack)) continue;
      // One pack always goes, however small the share.
      if (removed > 0 && pack.bytes > allowed - std::min(allowed, removed)) {
        Count(*round_.report().mutable_packs_over_share(), pack);
        continue;
      }
      MOORING_ASSIGN_OR_RETURN(const bool is_gone, RemovePack(ctx, pack));
      if (is_gone) removed += pack.bytes;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status FindNamedPacks(const OpContext& ctx) {
    CollectionParts& parts = round_.parts();
    MOORING_ASSIGN_OR_RETURN(const std::vector<SnapshotId> rowless,
                             ListRowlessRecords(ctx, parts.catalog, parts.objects));
    for (const SnapshotId& id : rowless) {
      const auto record = ReadCommitRecord(ctx, parts.objects, id);
      if (absl::IsNotFound(record.status())) continue;
      if (!record.ok()) return record.status();
      MOORING_RETURN_IF_ERROR(VisitRecordChunks(ctx, parts.catalog, *record,
                                                [this](const std::vector<ChunkLocation>& chunks) {
                                                  for (const ChunkLocation& chunk : chunks) {
                                                    if (chunk.state == ChunkState::kDoomed)
                                                      named_.insert(chunk.pack);
                                                  }
                                                  return absl::OkStatus();
                                                }));
    }
    return absl::OkStatus();
  }

  bool IsReady(const PackRecord& pack) {
    v1::CollectionReport& report = round_.report();
    const bool is_due =
        pack.doomed_at && *pack.doomed_at + round_.options().doomed_for <= round_.now();
    if (!is_due || !journaled_.contains(pack.id)) {
      Count(*report.mutable_packs_waiting(), pack);
      return false;
    }
    if (named_.contains(pack.id)) {
      Count(*report.mutable_packs_named(), pack);
      return false;
    }
    return true;
  }

  // False: it is locked, or no longer doomed.
  absl::StatusOr<bool> RemovePack(const OpContext& ctx, const PackRecord& pack) {
    std::string violation;
    bool is_doomed = false;
    // Looked at before the object goes, and once more with the rows.
    const absl::Status checked = round_.Run(
        ctx, RepositoryLock::kNone, [&](Transaction& tx, CollectionState&) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(const auto now, tx.packs().Get(pack.id));
          is_doomed = now && now->state == PackState::kDoomed;
          MOORING_ASSIGN_OR_RETURN(const auto rows, tx.chunks().ListOfPack(pack.id));
          const bool is_clean = std::all_of(rows.begin(), rows.end(), [](const auto& row) {
            return row.state == ChunkState::kDoomed;
          });
          if (!is_clean) violation = Violation(pack);
          return absl::OkStatus();
        });
    MOORING_RETURN_IF_ERROR(checked);
    if (!violation.empty()) return round_.Stop(ctx, violation);
    if (!is_doomed) return false;
    const absl::Status removed = round_.parts().objects.Remove(ctx, PackObjectKey(pack.id));
    if (absl::IsFailedPrecondition(removed)) {
      Count(*round_.report().mutable_packs_locked(), pack);
      return false;
    }
    MOORING_RETURN_IF_ERROR(removed);
    const absl::Status forgotten = round_.Run(
        ctx, RepositoryLock::kNone, [&](Transaction& tx, CollectionState& state) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(const DeletedRows rows, tx.chunks().DeleteRowsOfPack(pack.id));
          if (rows.left > 0) {
            violation = Violation(pack);
            return absl::DataLossError(violation);
          }
          MOORING_RETURN_IF_ERROR(tx.packs().Delete(pack.id));
          AddRemoved(state, pack.bytes, round_.now());
          return tx.collection().Put(state);
        });
    if (!violation.empty()) return round_.Stop(ctx, violation);
    MOORING_RETURN_IF_ERROR(forgotten);
    Count(*round_.report().mutable_packs_removed(), pack);
    return true;
  }

  static std::string Violation(const PackRecord& pack) {
    return fmt::format("pack {} is doomed and holds a chunk that is not", pack.id.hex());
  }

  Round& round_;
  const absl::flat_hash_set<PackId>& journaled_;
  absl::flat_hash_set<PackId> named_;
};

}  // namespace

absl::Status UnlinkDoomedPacks(const OpContext& ctx, Round& round,
                               const absl::flat_hash_set<PackId>& journaled,
                               std::uint64_t stored_bytes, bool ignore_share) {
  const CollectionOptions& options = round.options();
  const std::uint64_t share = stored_bytes / 100 * options.removed_percent_a_day;
  const std::uint64_t allowed =
      ignore_share ? UINT64_MAX : std::max(share, options.removed_bytes_a_day_min);
  return Unlinker(round, journaled).Run(ctx, allowed);
}

}  // namespace mooring::storage
