#include "server/services/collection_desk.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <fmt/format.h>

#include "server/services/care_desk.h"
#include "server/services/proto_time.h"
#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/collection_store.h"
#include "storage/catalog/snapshot_store.h"

namespace mooring::server {
namespace {

constexpr char kJob[] = "collect";
// A collector that lost its lease ends at its next transaction, so this only says
// how long another server waits for one that died.
constexpr absl::Duration kLease = absl::Minutes(15);
constexpr absl::Duration kLeaseRenewal = absl::Minutes(1);

// A name for people, and unique among the fleet's processes.
std::string HolderName(Random& random) {
  std::array<char, 256> host{};
  const bool has_name = gethostname(host.data(), host.size() - 1) == 0;
  return fmt::format("{}/{:08x}", has_name ? host.data() : "localhost",
                     random.Below(std::uint64_t{1} << 32));
}

v1::CollectionFigures FiguresOf(const storage::CollectionState& state) {
  v1::CollectionFigures figures;
  if (!figures.ParseFromArray(state.figures.data(), static_cast<int>(state.figures.size()))) {
    figures.Clear();
  }
  return figures;
}

void Fill(v1::ChunkFigures& figures, const storage::ChunkTotals::Sum& sum) {
  figures.set_chunks(sum.count);
  figures.set_bytes(sum.bytes);
}

}  // namespace

CollectionDesk::CollectionDesk(ServerParts& parts, SecretBytes pack_index_key,
                               const storage::CollectionOptions& options)
    : parts_(parts),
      pack_index_key_(std::move(pack_index_key)),
      holder_(HolderName(parts.random)),
      database_clock_(parts.catalog),
      collection_{parts.catalog, parts.objects,   parts.clock,
                  parts.random,  pack_index_key_, database_clock_},
      collector_(collection_, options) {}

absl::StatusOr<bool> CollectionDesk::TakeLease(const OpContext& ctx) {
  bool is_ours = false;
  MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(is_ours, tx.collection().AcquireLease(kJob, holder_, kLease));
    return absl::OkStatus();
  }));
  return is_ours;
}

void CollectionDesk::ReturnLease(const OpContext& ctx) {
  // What is not returned ends by itself.
  parts_.catalog
      .Run({.deadline = std::max(ctx.deadline, parts_.clock.Now() + absl::Seconds(5)), .stop = {}},
           [&](storage::Transaction& tx) { return tx.collection().ReleaseLease(kJob, holder_); })
      .IgnoreError();
}

absl::StatusOr<v1::CollectionReport> CollectionDesk::Collect(const OpContext& ctx,
                                                             const storage::RunOptions& run,
                                                             storage::CollectionProgress progress) {
  if (is_collecting_.exchange(true)) {
    return absl::FailedPreconditionError("a round of collection runs on this server");
  }
  const absl::Cleanup done = [this] { is_collecting_ = false; };
  MOORING_RETURN_IF_ERROR(CheckRebuildConfirmed(ctx, parts_.catalog));
  MOORING_ASSIGN_OR_RETURN(const bool is_ours, TakeLease(ctx));
  if (!is_ours) {
    return absl::FailedPreconditionError(
        "a round of collection runs on another server; mooring repository status names it");
  }
  const absl::Cleanup returned = [&] { ReturnLease(ctx); };
  absl::Duration renewed = parts_.clock.Monotonic();
  const auto renew = [&](std::string_view step, std::uint64_t n, std::uint64_t total) {
    if (parts_.clock.Monotonic() - renewed > kLeaseRenewal) {
      renewed = parts_.clock.Monotonic();
      TakeLease(ctx).status().IgnoreError();
    }
    progress(step, n, total);
  };
  absl::StatusOr<v1::CollectionReport> report = collector_.Collect(ctx, run, renew);
  if (!report.ok()) {
    parts_.log.Write(absl::IsDataLoss(report.status()) ? LogLevel::kError : LogLevel::kWarning,
                     "repository.collect", {{"message", std::string(report.status().message())}});
    return report;
  }
  parts_.log.Info("repository.collect", {{"condemned_bytes", report->condemned().bytes()},
                                         {"doomed_bytes", report->doomed().bytes()},
                                         {"removed_bytes", report->packs_removed().bytes()},
                                         {"milliseconds", report->milliseconds()}});
  return report;
}

absl::StatusOr<std::optional<v1::CollectionReport>> CollectionDesk::CollectIfDue(
    const OpContext& ctx, absl::Duration period) {
  storage::CollectionState state;
  MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(state, tx.collection().Get());
    return absl::OkStatus();
  }));
  const v1::CollectionFigures figures = FiguresOf(state);
  const absl::Time last = absl::FromUnixSeconds(figures.last_round().started_at().seconds());
  const absl::Time now = parts_.clock.Now();
  const bool is_due = !figures.has_last_round() || last + period <= now || last > now;
  // What stops a round is shown by the status and the alerts, not by the log again and again.
  if (!is_due || !state.stop_reason.empty() || !state.recovery_reason.empty()) {
    return std::optional<v1::CollectionReport>();
  }
  MOORING_ASSIGN_OR_RETURN(const bool is_ours, TakeLease(ctx));
  if (!is_ours) return std::optional<v1::CollectionReport>();
  MOORING_ASSIGN_OR_RETURN(v1::CollectionReport report,
                           Collect(ctx, {}, [](std::string_view, std::uint64_t, std::uint64_t) {}));
  return std::optional<v1::CollectionReport>(std::move(report));
}

absl::StatusOr<v1::CollectionReport> CollectionDesk::Plan(const OpContext& ctx,
                                                          storage::CollectionProgress progress) {
  return collector_.Plan(ctx, progress);
}

absl::Status CollectionDesk::ClearStop(const OpContext& ctx, const std::string& actor,
                                       const std::string& reason) {
  return collector_.ClearStop(ctx, actor, reason);
}

absl::StatusOr<v1::GetRepositoryStatusResponse> CollectionDesk::Describe(const OpContext& ctx) {
  v1::GetRepositoryStatusResponse response;
  MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    response.Clear();
    MOORING_ASSIGN_OR_RETURN(const storage::CollectionState state, tx.collection().Get());
    MOORING_ASSIGN_OR_RETURN(const auto lease, tx.collection().GetLease(kJob));
    MOORING_ASSIGN_OR_RETURN(const storage::ChunkTotals totals, tx.chunks().Totals());
    MOORING_ASSIGN_OR_RETURN(const storage::SnapshotTotals snapshots, tx.snapshots().Totals());
    response.set_epoch(state.epoch);
    response.set_generation(state.generation);
    if (state.last_round_at) {
      *response.mutable_last_round_started_at() = ToTimestamp(*state.last_round_at);
    }
    response.set_stop_reason(state.stop_reason);
    if (state.stopped_at) *response.mutable_stopped_at() = ToTimestamp(*state.stopped_at);
    response.set_recovery_reason(state.recovery_reason);
    if (lease) response.set_collecting_on(lease->holder);
    Fill(*response.mutable_live(), totals.live);
    Fill(*response.mutable_condemned(), totals.condemned);
    Fill(*response.mutable_doomed(), totals.doomed);
    Fill(*response.mutable_lost(), totals.lost);
    response.set_snapshots(snapshots.count);
    const v1::CollectionFigures figures = FiguresOf(state);
    if (figures.has_last_round()) *response.mutable_last_round() = figures.last_round();
    return absl::OkStatus();
  }));
  return response;
}

absl::Status FillCollectionFigures(storage::Transaction& tx, FleetFigures& figures) {
  MOORING_ASSIGN_OR_RETURN(const storage::CollectionState state, tx.collection().Get());
  figures.collection_stopped = !state.stop_reason.empty();
  figures.collection_recovery = !state.recovery_reason.empty();
  const v1::CollectionReport last = FiguresOf(state).last_round();
  figures.collection_last_run_seconds = static_cast<double>(last.finished_at().seconds());
  const v1::RepositoryStock& stock = last.stock();
  figures.collection_bytes = {
      {"live", stock.live().bytes()},
      {"condemned", stock.condemned().bytes()},
      {"doomed", stock.doomed().bytes()},
      {"lost", stock.lost().bytes()},
      {"orphan", stock.orphans().bytes() + stock.staged().bytes()},
      {"overhead", stock.pack_overhead_bytes() + stock.records().bytes() + stock.others().bytes()}};
  figures.collection_adds_up = !last.has_stock() || stock.adds_up();
  return absl::OkStatus();
}

}  // namespace mooring::server
