#include "server/jobs/leased_rounds.h"

#include <algorithm>
#include <stop_token>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/collection_store.h"
#include "storage/catalog/server_store.h"

namespace mooring::server {
namespace {

// Rounds are asked for once a period, give or take what the one before took.
constexpr double kTurnShare = 0.9;
constexpr absl::Duration kCallDeadline = absl::Seconds(10);

}  // namespace

absl::Status LeasedRounds::Run(const OpContext& ctx, const std::string& job, absl::Duration period,
                               const Round& round) {
  MOORING_ASSIGN_OR_RETURN(const bool is_ours, Take(ctx, job, period));
  if (!is_ours) return absl::OkStatus();
  std::stop_source stop;
  std::stop_source lost;
  const std::stop_callback on_stop(ctx.stop, [&stop] { stop.request_stop(); });
  const std::stop_callback on_lost(lost.get_token(), [&stop] { stop.request_stop(); });
  absl::Status done;
  {
    const std::jthread keeper([&](std::stop_token end) { Keep(job, std::move(end), lost); });
    done = round({.deadline = ctx.deadline, .stop = stop.get_token()});
  }
  if (lost.stop_requested()) {
    return absl::AbortedError(
        fmt::format("the lease of \"{}\" was lost to another server, or to the database being "
                    "away; it goes on with the next round",
                    job));
  }
  Return(job);
  return done;
}

absl::StatusOr<bool> LeasedRounds::Take(const OpContext& ctx, const std::string& job,
                                        absl::Duration period) {
  bool is_ours = false;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(is_ours, tx.collection().AcquireLease(job, holder_, lease_));
    if (!is_ours) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(is_ours, tx.servers().BeginTurn(job, period * kTurnShare));
    return is_ours ? absl::OkStatus() : tx.collection().ReleaseLease(job, holder_);
  }));
  return is_ours;
}

absl::StatusOr<bool> LeasedRounds::Renew(const std::string& job) {
  const OpContext ctx{.deadline = clock_.Now() + std::min(kCallDeadline, lease_ / 3), .stop = {}};
  bool is_ours = false;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto held, tx.collection().GetLease(job));
    is_ours = held && held->holder == holder_;
    if (!is_ours) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(is_ours, tx.collection().AcquireLease(job, holder_, lease_));
    return absl::OkStatus();
  }));
  return is_ours;
}

void LeasedRounds::Return(const std::string& job) {
  const OpContext ctx{.deadline = clock_.Now() + kCallDeadline, .stop = {}};
  // What is not returned ends by itself.
  catalog_
      .Run(ctx,
           [&](storage::Transaction& tx) { return tx.collection().ReleaseLease(job, holder_); })
      .IgnoreError();
}

void LeasedRounds::Keep(const std::string& job, std::stop_token stop, std::stop_source& lost) {
  absl::Duration renewed = clock_.Monotonic();
  while (clock_.Sleep(lease_ / 4, stop)) {
    // From before it was asked for: the lease that was granted is no shorter.
    const absl::Duration asked = clock_.Monotonic();
    const absl::StatusOr<bool> is_ours = Renew(job);
    if (is_ours.ok() && *is_ours) {
      renewed = asked;
      continue;
    }
    // A database that is away gives it to nobody else; once it is back, the lease may be over.
    if (!is_ours.ok() && clock_.Monotonic() - renewed < lease_ * 0.75) continue;
    log_.Warning("job.lease_lost", {{"job", job}, {"holder", holder_}});
    lost.request_stop();
    return;
  }
}

}  // namespace mooring::server
