#include "storage/retention/prune.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/hold_store.h"
#include "storage/catalog/prune_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/repository/timestamps.h"
#include "storage/retention/fleet_input.h"

namespace mooring::storage {
namespace {

constexpr char kServer[] = "server";
constexpr int kDecidedMax = 1000;

// Why no round may begin now; empty if one may.
absl::StatusOr<std::string> WhyNot(Transaction& tx, const PruneState& state, absl::Time now) {
  if (!state.stopped.empty()) return fmt::format("pruning is stopped: {}", state.stopped);
  MOORING_ASSIGN_OR_RETURN(const auto newest, tx.prunes().NewestSnapshotAt());
  const auto text = [](absl::Time time) {
    return absl::FormatTime("%Y-%m-%d %H:%M:%S", time, absl::UTCTimeZone());
  };
  if (newest && now < *newest - kClockTolerance) {
    return fmt::format(
        "the server's clock ({} UTC) is behind the newest snapshot ({} UTC): set the clock",
        text(now), text(*newest));
  }
  if (state.last_run_at && now < *state.last_run_at - kClockTolerance) {
    return fmt::format(
        "the server's clock ({} UTC) is behind the last round of the pruner ({} UTC): set the "
        "clock",
        text(now), text(*state.last_run_at));
  }
  return std::string();
}

// The lineage is in order as far as it goes (pause.h), or nothing of it would be due.
absl::Status RememberSettled(Transaction& tx, const DeviceInput& input, const PruneMark& mark) {
  std::map<std::uint32_t, std::uint64_t> newest;
  std::uint32_t lineage = 0;
  for (const SnapshotView& view : input.views) {
    std::uint64_t& sequence = newest[view.snapshot.lineage];
    sequence = std::max(sequence, view.snapshot.sequence);
    if (view.snapshot.id == mark.snapshot) lineage = view.snapshot.lineage;
  }
  return tx.prunes().Remember({.device = mark.device,
                               .lineage = lineage,
                               .accepted_sequence = 0,
                               .settled_sequence = newest[lineage]});
}

void NotDropped(PruneMark& mark, const std::string& why) {
  mark.verdict.set_keep(true);
  mark.verdict.clear_reasons();
  v1::RetentionReason& reason = *mark.verdict.add_reasons();
  reason.set_rule(v1::RETENTION_RULE_NOT_DROPPED);
  reason.set_text(fmt::format("not dropped: {}", why));
}

}  // namespace

std::uint64_t PruneLimits::Allowed(std::uint64_t snapshots) const {
  const std::uint64_t share = snapshots / 100 * percent_max + snapshots % 100 * percent_max / 100;
  return std::min(drops_max, std::max(drops_free, share));
}

absl::StatusOr<PruneResult> Pruner::Plan(const OpContext& ctx,
                                         const std::optional<DeviceId>& device) {
  PruneResult result;
  MOORING_ASSIGN_OR_RETURN(const std::string clocks, WhyNotByClocks(ctx));
  result.as_of = clock_.Now();
  std::vector<DeviceId> devices;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    devices.clear();
    MOORING_ASSIGN_OR_RETURN(const PruneState state, tx.prunes().Get());
    MOORING_ASSIGN_OR_RETURN(result.refused, WhyNot(tx, state, result.as_of));
    if (result.refused.empty()) result.refused = clocks;
    if (device) {
      devices.push_back(*device);
      return absl::OkStatus();
    }
    MOORING_ASSIGN_OR_RETURN(const std::vector<DeviceView> views, tx.devices().List(std::nullopt));
    for (const DeviceView& view : views) devices.push_back(view.device.id);
    return absl::OkStatus();
  }));
  for (const DeviceId& id : devices) MOORING_RETURN_IF_ERROR(PlanDevice(ctx, id, result));
  for (const PruneMark& mark : result.marks) {
    ++(mark.verdict.keep() ? result.kept : result.dropped);
  }
  const std::uint64_t allowed = limits_.Allowed(result.marks.size());
  if (result.dropped > allowed) {
    result.deferred = result.dropped - allowed;
    result.dropped = allowed;
    result.kept += result.deferred;
  }
  return result;
}

absl::Status Pruner::PlanDevice(const OpContext& ctx, const DeviceId& device, PruneResult& result) {
  DeviceInput input;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(input, ReadDeviceInput(tx, device, result.as_of));
    return absl::OkStatus();
  }));
  std::map<std::string, v1::RetentionVerdict> verdicts = input.JudgeAll();
  for (const SnapshotView& view : input.views) {
    result.marks.push_back({.snapshot = view.snapshot.id,
                            .device = device,
                            .serial = view.serial,
                            .created_at = view.snapshot.created_at,
                            .verdict = std::move(verdicts.at(view.snapshot.id.bytes()))});
  }
  for (const auto& [person, of_person] : input.people) {
    for (const v1::PruningPause& pause : of_person.input.pauses()) result.pauses.push_back(pause);
  }
  return absl::OkStatus();
}

absl::StatusOr<PruneResult> Pruner::Apply(const OpContext& ctx,
                                          const std::optional<DeviceId>& device,
                                          const std::string& actor, const std::string& reason) {
  MOORING_RETURN_IF_ERROR(Begin(ctx, clock_.Now()));
  MOORING_ASSIGN_OR_RETURN(const std::uint64_t completed, CompleteDecided(ctx));
  MOORING_ASSIGN_OR_RETURN(PruneResult result, Plan(ctx, device));
  result.applied = true;
  Drop(ctx, actor, reason, result);
  result.dropped += completed;
  if (ctx.stop.stop_requested()) return absl::CancelledError("prune: interrupted");
  // What a round over one device found says nothing of the fleet.
  if (!device) MOORING_RETURN_IF_ERROR(RecordStatus(ctx, result));
  return result;
}

absl::StatusOr<std::optional<PruneResult>> Pruner::ApplyIfDue(const OpContext& ctx,
                                                              absl::Duration period) {
  bool is_due = false;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const PruneState state, tx.prunes().Get());
    // A clock that went back is for Begin to refuse, so that it is seen.
    is_due = !state.last_run_at || clock_.Now() - *state.last_run_at >= period ||
             clock_.Now() < *state.last_run_at - kClockTolerance;
    return absl::OkStatus();
  }));
  if (!is_due) return std::optional<PruneResult>();
  MOORING_ASSIGN_OR_RETURN(PruneResult result, Apply(ctx, std::nullopt, kServer, "daily"));
  return std::optional<PruneResult>(std::move(result));
}

absl::StatusOr<std::string> Pruner::WhyNotByClocks(const OpContext& ctx) {
  if (database_clock_ == nullptr) return std::string();
  const absl::Time before = clock_.Now();
  MOORING_ASSIGN_OR_RETURN(const absl::Time database, database_clock_->Now(ctx));
  // A slow answer is no difference: the database's time lies somewhere between.
  const absl::Time after = clock_.Now();
  if (before - database <= kClockTolerance && database - after <= kClockTolerance) {
    return std::string();
  }
  return fmt::format(
      "the clocks of this server and of PostgreSQL are {} apart: set them right",
      absl::FormatDuration(absl::Trunc(absl::AbsDuration(after - database), absl::Seconds(1))));
}

absl::Status Pruner::Begin(const OpContext& ctx, absl::Time now) {
  MOORING_ASSIGN_OR_RETURN(const std::string clocks, WhyNotByClocks(ctx));
  std::string why_not;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const PruneState state, tx.prunes().Get(RowLock::kExclusive));
    MOORING_ASSIGN_OR_RETURN(why_not, WhyNot(tx, state, now));
    if (why_not.empty()) why_not = clocks;
    return why_not.empty() ? tx.prunes().RecordRun(now) : absl::OkStatus();
  }));
  if (why_not.empty()) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(RecordRefusal(ctx, why_not, now));
  return absl::FailedPreconditionError(fmt::format("prune: nothing was dropped: {}", why_not));
}

// What an earlier round decided and could not finish is done first.
absl::StatusOr<std::uint64_t> Pruner::CompleteDecided(const OpContext& ctx) {
  std::vector<SnapshotId> decided;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(decided, tx.holds().ListDecided(kDecidedMax));
    return absl::OkStatus();
  }));
  std::uint64_t completed = 0;
  for (const SnapshotId& snapshot : decided) {
    const absl::Status deleted = repository_.Delete(ctx, snapshot, kServer, "decided before");
    if (deleted.ok()) ++completed;
  }
  return completed;
}

// Oldest first, so that what a cap leaves is the newest of what is due.
void Pruner::Drop(const OpContext& ctx, const std::string& actor, const std::string& reason,
                  PruneResult& result) {
  std::vector<PruneMark*> due;
  for (PruneMark& mark : result.marks) {
    if (!mark.verdict.keep()) due.push_back(&mark);
  }
  std::stable_sort(due.begin(), due.end(), [](const PruneMark* a, const PruneMark* b) {
    return a->created_at < b->created_at;
  });
  const std::uint64_t allowed = result.dropped;
  for (std::size_t i = 0; i < due.size(); ++i) {
    if (i >= allowed) {
      NotDropped(*due[i], fmt::format("one round drops at most {}; the next goes on", allowed));
      continue;
    }
    if (ctx.stop.stop_requested()) return;
    const absl::Status dropped = DropOne(ctx, *due[i], actor, reason);
    if (dropped.ok()) continue;
    NotDropped(*due[i], std::string(dropped.message()));
    ++result.failed;
    --result.dropped;
    ++result.kept;
  }
}

// Judged again where it is decided: since the plan, newer ones may have been deleted
// by hand, or a policy, a hold or a pin may have come.
absl::Status Pruner::DropOne(const OpContext& ctx, const PruneMark& mark, const std::string& actor,
                             const std::string& reason) {
  const auto still_due = [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const DeviceInput input,
                             ReadDeviceInput(tx, mark.device, clock_.Now()));
    const auto verdicts = input.JudgeAll();
    const auto verdict = verdicts.find(mark.snapshot.bytes());
    if (verdict == verdicts.end()) return absl::NotFoundError("it is gone");
    if (verdict->second.keep()) {
      return absl::FailedPreconditionError(
          fmt::format("kept by now: {}", verdict->second.reasons(0).text()));
    }
    return RememberSettled(tx, input, mark);
  };
  return repository_.Delete(ctx, mark.snapshot, actor, fmt::format("retention: {}", reason),
                            still_due);
}

absl::Status Pruner::RecordStatus(const OpContext& ctx, const PruneResult& result) {
  v1::PruneStatus status;
  *status.mutable_last_run_at() = ToTimestamp(result.as_of);
  status.set_kept(result.kept);
  status.set_dropped(result.dropped);
  status.set_deferred(result.deferred);
  status.set_failed(result.failed);
  for (const v1::PruningPause& pause : result.pauses) {
    if (pause.cause() == v1::PAUSE_CAUSE_SHRUNK) {
      status.set_paused_shrunk(status.paused_shrunk() + 1);
    } else {
      status.set_paused_lost_categories(status.paused_lost_categories() + 1);
    }
  }
  return catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.prunes().RecordStatus(status));
    return tx.Audit(
        {.at = result.as_of,
         .actor = kServer,
         .action = "repository.prune",
         .subject = "repository",
         .detail_json = fmt::format(R"({{"kept":{},"dropped":{},"deferred":{},"failed":{}}})",
                                    result.kept, result.dropped, result.deferred, result.failed)});
  });
}

absl::Status Pruner::RecordRefusal(const OpContext& ctx, const std::string& why, absl::Time now) {
  return catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(PruneState state, tx.prunes().Get(RowLock::kExclusive));
    state.status.set_refused(why);
    *state.status.mutable_refused_at() = ToTimestamp(now);
    return tx.prunes().RecordStatus(state.status);
  });
}

}  // namespace mooring::storage
