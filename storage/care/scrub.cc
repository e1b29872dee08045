#include "storage/care/scrub.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/care/record_check.h"
#include "storage/catalog/care_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/damage.h"

namespace mooring::storage {
namespace {

constexpr int kPackBatch = 32;
constexpr int kFindingsMax = 1000;

// Time is up, or somebody asked to stop: the next call goes on.
bool IsOver(const absl::Status& status) {
  return absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
}

std::string Describe(const PackReport& report) {
  std::string text = report.object_problem;
  const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : "; ") + more; };
  if (!report.footer_problem.empty()) add(report.footer_problem);
  if (!report.bad.empty() && report.object_problem.empty()) {
    add(fmt::format("{} of {} chunks do not hash to their ids", report.bad.size(), report.chunks));
  }
  return text;
}

}  // namespace

Scrubber::Scrubber(const Parts& parts, const ScrubOptions& options)
    : parts_(parts),
      options_(options),
      healer_({.catalog = parts.catalog,
               .objects = parts.objects,
               .replica = parts.replica,
               .pack_index_key = parts.pack_index_key,
               .clock = parts.clock,
               .random = parts.random}) {}

absl::StatusOr<ScrubProgress> Scrubber::Run(const OpContext& ctx, bool all, Report report) {
  ScrubProgress progress;
  const auto run = [&]() -> absl::Status {
    MOORING_RETURN_IF_ERROR(CheckStoreIsThere(ctx, parts_.objects));
    MOORING_ASSIGN_OR_RETURN(const absl::Time before, BeginPass(ctx, all));
    // What was lost may have come back: a disk that was mounted again, a replica.
    MOORING_ASSIGN_OR_RETURN(const HealOutcome revived, healer_.HealLost(ctx));
    progress.chunks_healed += revived.healed;
    if (revived.changed_damage()) {
      MOORING_RETURN_IF_ERROR(RefreshDamage(ctx, parts_.catalog).status());
    }
    MOORING_RETURN_IF_ERROR(ResolveHealed(ctx));
    MOORING_RETURN_IF_ERROR(RunPacks(ctx, before, progress, report));
    CareState state;
    MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(state, tx.care().State());
      return absl::OkStatus();
    }));
    const absl::Time now = parts_.clock.Now();
    if (all || !state.records_checked_at ||
        *state.records_checked_at < now - options_.records_every) {
      MOORING_ASSIGN_OR_RETURN(const RecordReport records,
                               CheckRecords(ctx, parts_.catalog, parts_.objects, parts_.clock));
      progress.records_checked = records.checked;
      progress.records_bad = records.bad;
      progress.records_healed = records.healed;
    }
    return EndPass(ctx, progress.records_checked > 0);
  };
  const absl::Status done = run();
  if (!done.ok() && !IsOver(done)) return done;
  progress.is_complete = done.ok();
  report(progress);
  return progress;
}

// Packs scrubbed before the result are due.
absl::StatusOr<absl::Time> Scrubber::BeginPass(const OpContext& ctx, bool all) {
  const absl::Time now = parts_.clock.Now();
  absl::Time before = now - options_.every;
  const absl::Status ran = parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(CareState state, tx.care().State(RowLock::kExclusive));
    if (all && !state.scrub_pass_at) {
      state.scrub_pass_at = now;
      MOORING_RETURN_IF_ERROR(tx.care().SetState(state));
    }
    if (state.scrub_pass_at) before = std::max(before, *state.scrub_pass_at);
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(ran);
  return before;
}

absl::Status Scrubber::EndPass(const OpContext& ctx, bool records_checked) {
  return parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(CareState state, tx.care().State(RowLock::kExclusive));
    state.scrub_pass_at.reset();
    if (records_checked) state.records_checked_at = parts_.clock.Now();
    return tx.care().SetState(state);
  });
}

// Packs whose lost chunks have found new bytes since, by a backup or from the replica.
absl::Status Scrubber::ResolveHealed(const OpContext& ctx) {
  return parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto findings, tx.care().Findings(false, kFindingsMax));
    for (const Finding& finding : findings) {
      const std::optional<PackId> pack = PackOfObjectKey(finding.subject);
      const bool is_of_pack =
          finding.kind == FindingKind::kPack || finding.kind == FindingKind::kPackFooter;
      if (!pack || !is_of_pack) continue;
      MOORING_ASSIGN_OR_RETURN(const auto rows, tx.care().ChunksOfPack(*pack));
      const bool is_needed = std::any_of(rows.begin(), rows.end(), [](const ChunkLocation& row) {
        return row.state != ChunkState::kDoomed;
      });
      if (is_needed) continue;
      MOORING_RETURN_IF_ERROR(tx.care().Resolve(finding.kind, finding.subject,
                                                "nothing lies there any more", parts_.clock.Now()));
    }
    return absl::OkStatus();
  });
}

absl::Status Scrubber::RunPacks(const OpContext& ctx, absl::Time before, ScrubProgress& progress,
                                Report report) {
  Pace pace(parts_.clock, options_.bytes_per_second);
  while (true) {
    std::vector<PackRecord> due;
    MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(due, tx.care().NextToScrub(before, kPackBatch));
      return absl::OkStatus();
    }));
    if (due.empty()) return absl::OkStatus();
    progress.packs_left = due.size();
    for (const PackRecord& pack : due) {
      MOORING_RETURN_IF_ERROR(CheckContext(ctx, parts_.clock));
      MOORING_RETURN_IF_ERROR(ScrubPack(ctx, pack, pace, progress));
      // A clock that was set back since the pass began would have it due for ever.
      if (parts_.clock.Now() < before) {
        MOORING_RETURN_IF_ERROR(parts_.catalog.Run(
            ctx, [&](Transaction& tx) { return tx.care().MarkScrubbed(pack.id, before); }));
      }
      ++progress.packs_done;
      --progress.packs_left;
      report(progress);
    }
  }
}

absl::Status Scrubber::ScrubPack(const OpContext& ctx, const PackRecord& pack, Pace& pace,
                                 ScrubProgress& progress) {
  std::vector<ChunkLocation> rows;
  const auto read_rows = [&]() -> absl::Status {
    return parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(rows, tx.care().ChunksOfPack(pack.id));
      // Doomed ones are about to go, and nothing needs them.
      std::erase_if(rows,
                    [](const ChunkLocation& row) { return row.state == ChunkState::kDoomed; });
      return absl::OkStatus();
    });
  };
  MOORING_RETURN_IF_ERROR(read_rows());
  PackReport found;
  HealOutcome healed;
  // A pack in which nothing lies is the collector's, and may be evidence.
  if (!rows.empty()) {
    MOORING_ASSIGN_OR_RETURN(
        found, CheckPack(ctx, parts_.objects, parts_.pack_index_key, pack, rows, pace));
    progress.chunks += found.chunks;
    progress.bytes += found.bytes;
  }
  if (!found.is_good()) {
    // Compaction may have moved them while the pack was read.
    MOORING_RETURN_IF_ERROR(read_rows());
    if (!rows.empty()) {
      ++progress.packs_bad;
      // The good ones move as well: a pack that is damaged is not trusted further.
      MOORING_ASSIGN_OR_RETURN(healed, healer_.Heal(ctx, pack.id, rows, Describe(found)));
      progress.chunks_healed += healed.healed;
      progress.chunks_lost += healed.lost;
    }
  }
  MOORING_RETURN_IF_ERROR(NotePack(ctx, pack, found, healed));
  if (healed.changed_damage()) {
    MOORING_RETURN_IF_ERROR(RefreshDamage(ctx, parts_.catalog).status());
  }
  return absl::OkStatus();
}

absl::Status Scrubber::NotePack(const OpContext& ctx, const PackRecord& pack,
                                const PackReport& found, const HealOutcome& healed) {
  const std::string key = PackObjectKey(pack.id);
  const bool is_whole = found.bad.empty() && found.object_problem.empty();
  return parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    const absl::Time now = parts_.clock.Now();
    for (const FindingKind kind : {FindingKind::kPack, FindingKind::kPackFooter}) {
      const std::string problem = kind == FindingKind::kPackFooter ? found.footer_problem
                                  : is_whole                       ? ""
                                                                   : Describe(found);
      if (problem.empty()) {
        MOORING_RETURN_IF_ERROR(tx.care().Resolve(
            kind, key,
            found.chunks > 0 ? "it was read again and is good" : "nothing lies there any more",
            now));
        continue;
      }
      MOORING_RETURN_IF_ERROR(tx.care().Report(kind, key, problem, now));
      // Chunks that are lost keep it open until something takes their place.
      if (healed.lost > 0) continue;
      MOORING_RETURN_IF_ERROR(tx.care().Resolve(
          kind, key,
          fmt::format("{} chunks healed into another pack, {} of them from the replica",
                      healed.healed, healed.from_replica),
          now));
    }
    return tx.care().MarkScrubbed(pack.id, now);
  });
}

}  // namespace mooring::storage
