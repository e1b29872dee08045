#include "storage/collection/collector.h"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/collection/collection_plan.h"
#include "storage/collection/compactor.h"
#include "storage/collection/condemn.h"
#include "storage/collection/doom_journal.h"
#include "storage/collection/mark.h"
#include "storage/collection/orphan_sweep.h"
#include "storage/collection/stock.h"
#include "storage/collection/unlink.h"
#include "storage/repository/audit_detail.h"
#include "storage/repository/epoch.h"
#include "storage/repository/timestamps.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kReasonBytesMax = 4096;

std::uint64_t MillisecondsSince(Clock& clock, absl::Duration start) {
  return static_cast<std::uint64_t>(absl::ToInt64Milliseconds(clock.Monotonic() - start));
}

void Describe(const Mark& mark, v1::CollectionReport& report) {
  report.set_snapshots(mark.snapshots);
  report.set_referenced_chunks(mark.referenced.size());
  report.set_references(mark.references);
  report.set_records_without_snapshot(mark.rowless_records);
}

}  // namespace

absl::StatusOr<v1::CollectionReport> Collector::Collect(const OpContext& ctx, const RunOptions& run,
                                                        CollectionProgress progress) {
  const absl::Duration start = parts_.clock.Monotonic();
  Round round(parts_, options_, progress);
  v1::CollectionReport& report = round.report();
  *report.mutable_started_at() = ToTimestamp(parts_.clock.Now());
  MOORING_RETURN_IF_ERROR(round.Begin(ctx));
  report.set_mark_no(round.mark_no());
  MOORING_RETURN_IF_ERROR(RunSteps(ctx, run, round));
  *report.mutable_finished_at() = ToTimestamp(parts_.clock.Now());
  report.set_milliseconds(MillisecondsSince(parts_.clock, start));
  MOORING_RETURN_IF_ERROR(round.Run(
      ctx, RepositoryLock::kNone, [&](Transaction& tx, CollectionState& state) -> absl::Status {
        v1::CollectionFigures figures;
        if (!figures.ParseFromArray(state.figures.data(), static_cast<int>(state.figures.size()))) {
          figures.Clear();
        }
        *figures.mutable_last_round() = report;
        state.figures = ToBytes(figures.SerializeAsString());
        return tx.collection().Put(state);
      }));
  return report;
}

absl::Status Collector::RunSteps(const OpContext& ctx, const RunOptions& run, Round& round) {
  v1::CollectionReport& report = round.report();
  const absl::Duration start = parts_.clock.Monotonic();
  const auto progress = [&round](std::string_view step, std::uint64_t done, std::uint64_t total) {
    round.Progress(step, done, total);
  };
  const absl::StatusOr<Mark> mark = ReadMark(ctx, parts_, round.mark_no(), progress);
  if (absl::IsDataLoss(mark.status())) {
    return round.Stop(ctx, std::string(mark.status().message()));
  }
  MOORING_RETURN_IF_ERROR(mark.status());
  report.set_mark_milliseconds(MillisecondsSince(parts_.clock, start));
  Describe(*mark, report);
  MOORING_ASSIGN_OR_RETURN(Stock stock, TakeStock(ctx, parts_, options_, &*mark, progress));
  *report.mutable_stock() = stock.figures;
  if (!stock.violation.empty()) return round.Stop(ctx, stock.violation);
  MOORING_RETURN_IF_ERROR(round.CompleteMark(ctx));
  report.set_generation(round.generation());

  MOORING_RETURN_IF_ERROR(round.CheckTime(ctx));
  MOORING_RETURN_IF_ERROR(CondemnCandidates(ctx, round, stock));
  MOORING_RETURN_IF_ERROR(round.CheckTime(ctx));
  MOORING_RETURN_IF_ERROR(DoomCondemned(ctx, round, *mark, stock));
  MOORING_ASSIGN_OR_RETURN(
      const auto journaled,
      JournalPacks(ctx, round, OrphansOf(stock, options_, parts_.clock.Now())));
  // After everything that is to be removed is doomed and journaled, before any of it is.
  MOORING_ASSIGN_OR_RETURN(const std::uint64_t epoch,
                           AdvanceEpoch(ctx, parts_.catalog, parts_.objects, round.id()));
  report.set_epoch(epoch);
  MOORING_RETURN_IF_ERROR(round.CheckTime(ctx));
  MOORING_RETURN_IF_ERROR(
      UnlinkDoomedPacks(ctx, round, journaled, stock.figures.store().bytes(), run.ignore_share));
  MOORING_RETURN_IF_ERROR(
      CompactPacks(ctx, round, PlanCompaction(stock, options_, parts_.clock.Now())));
  MOORING_RETURN_IF_ERROR(round.CheckTime(ctx));
  MOORING_RETURN_IF_ERROR(SweepOrphanPacks(ctx, round, stock, journaled));
  return SweepDeletedRecords(ctx, round);
}

absl::StatusOr<v1::CollectionReport> Collector::Plan(const OpContext& ctx,
                                                     CollectionProgress progress) {
  const absl::Duration start = parts_.clock.Monotonic();
  v1::CollectionReport report;
  report.set_is_plan(true);
  *report.mutable_started_at() = ToTimestamp(parts_.clock.Now());
  CollectionState state;
  std::uint64_t mark_no = 0;
  MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(state, tx.collection().Get());
    MOORING_ASSIGN_OR_RETURN(mark_no, tx.snapshots().MaxCommitNo());
    return absl::OkStatus();
  }));
  report.set_epoch(state.epoch);
  report.set_generation(state.generation);
  report.set_mark_no(mark_no);
  MOORING_ASSIGN_OR_RETURN(const Mark mark, ReadMark(ctx, parts_, mark_no, progress));
  report.set_mark_milliseconds(MillisecondsSince(parts_.clock, start));
  Describe(mark, report);
  MOORING_ASSIGN_OR_RETURN(Stock stock, TakeStock(ctx, parts_, options_, &mark, progress));
  *report.mutable_stock() = stock.figures;
  if (!stock.violation.empty()) report.add_notes("a round would stop: " + stock.violation);
  if (!state.recovery_reason.empty()) {
    report.add_notes(std::string(CheckNotInRecovery(state).message()));
  }
  if (!state.stop_reason.empty()) report.add_notes("collection is stopped: " + state.stop_reason);
  const absl::Status time = CheckCollectionTime(ctx, parts_, options_, state);
  if (!time.ok()) report.add_notes(std::string(time.message()));
  MOORING_RETURN_IF_ERROR(PlanSteps(ctx, parts_, options_, state, mark, stock, report));
  *report.mutable_finished_at() = ToTimestamp(parts_.clock.Now());
  report.set_milliseconds(MillisecondsSince(parts_.clock, start));
  return report;
}

absl::Status Collector::ClearStop(const OpContext& ctx, const std::string& actor,
                                  const std::string& reason) {
  if (reason.empty() || reason.size() > kReasonBytesMax) {
    return absl::InvalidArgumentError("clear the stop: the reason is empty or too long");
  }
  const absl::Time now = parts_.clock.Now();
  const auto clear = [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(CollectionState state, tx.collection().Get(RowLock::kExclusive));
    const std::string was = state.stop_reason;
    state.stop_reason.clear();
    state.stopped_at.reset();
    if (state.last_round_at && *state.last_round_at > now) state.last_round_at = now;
    MOORING_RETURN_IF_ERROR(tx.collection().Put(state));
    return tx.Audit({.at = now,
                     .actor = actor,
                     .action = "collection.clear-stop",
                     .subject = "repository",
                     .detail_json = AuditDetail({{"was", was}, {"reason", reason}})});
  };
  return parts_.catalog.Run(ctx, clear);
}

}  // namespace mooring::storage
