#include "storage/collection/round.h"

#include <algorithm>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/repository/audit_detail.h"
#include "storage/repository/epoch.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kRoundIdBytes = 16;
constexpr int kAttemptsMax = 3;

std::string TimeText(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

absl::Status CheckNotStopped(const CollectionState& state) {
  MOORING_RETURN_IF_ERROR(CheckNotInRecovery(state));
  if (state.stop_reason.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "collection stopped at {} because of its integrity: {}; look into it, then: mooring"
      " repository gc --clear-stop --reason TEXT",
      TimeText(state.stopped_at.value_or(absl::UnixEpoch())), state.stop_reason));
}

}  // namespace

absl::Status CheckCollectionTime(const OpContext& ctx, CollectionParts& parts,
                                 const CollectionOptions& options, const CollectionState& state) {
  const absl::Time before = parts.clock.Now();
  MOORING_ASSIGN_OR_RETURN(const absl::Time database, parts.database_clock.Now(ctx));
  const absl::Time after = parts.clock.Now();
  // The database was asked somewhere between.
  if (database < before - options.clock_difference_max ||
      database > after + options.clock_difference_max) {
    return absl::FailedPreconditionError(fmt::format(
        "time: this server says {}, PostgreSQL {}; nothing is deleted until both agree to {}",
        TimeText(after), TimeText(database), absl::FormatDuration(options.clock_difference_max)));
  }
  if (state.last_round_at && before < *state.last_round_at) {
    return absl::FailedPreconditionError(fmt::format(
        "time: this server says {}, which is before the last round of collection at {}; if that"
        " time was wrong: mooring repository gc --clear-stop --reason TEXT",
        TimeText(before), TimeText(*state.last_round_at)));
  }
  return absl::OkStatus();
}

absl::Status Round::Begin(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(GuardEpoch(ctx, parts_.catalog, parts_.objects, parts_.clock));
  CollectionState state;
  MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(state, tx.collection().Get());
    return absl::OkStatus();
  }));
  MOORING_RETURN_IF_ERROR(CheckNotStopped(state));
  MOORING_RETURN_IF_ERROR(CheckCollectionTime(ctx, parts_, options_, state));
  const absl::Time now = parts_.clock.Now();
  id_.resize(kRoundIdBytes);
  parts_.random.Fill(id_);
  const auto begin = [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
    MOORING_ASSIGN_OR_RETURN(state, tx.collection().Get(RowLock::kExclusive));
    MOORING_RETURN_IF_ERROR(CheckNotStopped(state));
    // No commit is in flight: every one up to this number is visible.
    MOORING_ASSIGN_OR_RETURN(state.mark_no, tx.snapshots().MaxCommitNo());
    state.round_id = id_;
    state.last_round_at = std::max(now, state.last_round_at.value_or(now));
    return tx.collection().Put(state);
  };
  absl::Status begun = parts_.catalog.Run(ctx, begin);
  for (int i = 1; i < kAttemptsMax && absl::IsUnknown(begun); ++i) {
    begun = parts_.catalog.Run(ctx, begin);
  }
  MOORING_RETURN_IF_ERROR(begun);
  mark_no_ = state.mark_no;
  generation_ = state.generation;
  return absl::OkStatus();
}

absl::Status Round::CompleteMark(const OpContext& ctx) {
  const std::uint64_t next = generation_ + 1;
  MOORING_RETURN_IF_ERROR(
      Run(ctx, RepositoryLock::kNone, [&](Transaction& tx, CollectionState& state) {
        state.generation = std::max(state.generation, next);
        return tx.collection().Put(state);
      }));
  generation_ = next;
  return absl::OkStatus();
}

absl::Status Round::CheckTime(const OpContext& ctx) {
  CollectionState state;
  MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(state, tx.collection().Get());
    return absl::OkStatus();
  }));
  return CheckCollectionTime(ctx, parts_, options_, state);
}

absl::Status Round::Run(const OpContext& ctx, RepositoryLock lock,
                        absl::FunctionRef<absl::Status(Transaction&, CollectionState&)> body) {
  const auto fenced = [&](Transaction& tx) -> absl::Status {
    if (lock == RepositoryLock::kExclusive) MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
    MOORING_ASSIGN_OR_RETURN(CollectionState state, tx.collection().Get(RowLock::kExclusive));
    if (!std::ranges::equal(state.round_id, id_)) {
      return absl::FailedPreconditionError("another round of collection has begun");
    }
    MOORING_RETURN_IF_ERROR(CheckNotStopped(state));
    return body(tx, state);
  };
  absl::Status status = parts_.catalog.Run(ctx, fenced);
  for (int i = 1; i < kAttemptsMax && absl::IsUnknown(status); ++i) {
    status = parts_.catalog.Run(ctx, fenced);
  }
  return status;
}

absl::Status Round::Stop(const OpContext& ctx, const std::string& why) {
  const auto stop = [&](Transaction& tx, CollectionState& state) -> absl::Status {
    state.stop_reason = why;
    state.stopped_at = now();
    MOORING_RETURN_IF_ERROR(tx.collection().Put(state));
    return tx.Audit({.at = now(),
                     .actor = "server",
                     .action = "collection.stop",
                     .subject = "repository",
                     .detail_json = AuditDetail({{"why", why}})});
  };
  MOORING_RETURN_IF_ERROR(Run(ctx, RepositoryLock::kNone, stop));
  return absl::DataLossError(fmt::format("integrity: {}; collection is stopped", why));
}

}  // namespace mooring::storage
