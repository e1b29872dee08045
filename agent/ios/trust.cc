#include "agent/ios/trust.h"

#include <algorithm>
#include <utility>

#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr const char* kTrustSentence = "Unlock the iPhone, tap Trust and enter its passcode";
constexpr const char* kUnlockSentence = "Unlock the iPhone";

// Asks the phone to pair: raises the question, or takes the answer.
absl::Status Pair(AttachedPhone& phone) {
  lockdownd_client_t client = nullptr;
  const lockdownd_error_t connected = lockdownd_client_new(phone.handle.get(), &client, "mooring");
  const LockdownHandle owned(client);
  MOORING_RETURN_IF_ERROR(LockdownStatus(connected, "pair"));
  return LockdownStatus(lockdownd_pair(client, nullptr), "pair");
}

// One attempt without waiting; pairs where the pairing is missing or lost.
absl::StatusOr<std::unique_ptr<Lockdown>> Attempt(AttachedPhone& phone) {
  absl::StatusOr<std::unique_ptr<Lockdown>> session = Lockdown::Connect(phone);
  if (!absl::IsUnauthenticated(session.status())) return session;
  MOORING_RETURN_IF_ERROR(Pair(phone));
  return Lockdown::Connect(phone);
}

absl::Status Unlocked(Lockdown& lockdown) {
  MOORING_ASSIGN_OR_RETURN(const Plist locked, lockdown.Value(nullptr, "PasswordProtected"));
  return locked.view().boolean().value_or(false)
             ? LockdownStatus(LOCKDOWN_E_PASSWORD_PROTECTED, "prepare")
             : absl::OkStatus();
}

// One wait for the owner: reports it, backs off, and knows when to give up.
class Patience {
 public:
  Patience(Clock& clock, const TrustPatience& limits, ProgressSink& progress)
      : clock_(clock),
        limits_(limits),
        progress_(progress),
        since_(clock.Monotonic()),
        pause_(limits.poll_first) {}

  // Sleeps before the next attempt; `error` once there is none.
  absl::Status Wait(const OpContext& ctx, const absl::Status& error) {
    const std::optional<OwnersMove> move = OwnersMoveFor(error);
    if (!move) return error;
    if (move->waiting_for != told_) {
      told_ = move->waiting_for;
      since_ = clock_.Monotonic();
      pause_ = limits_.poll_first;
    }
    const absl::Duration limit =
        told_ == v1::WAITING_FOR_TRUST ? limits_.trust_max : limits_.unlock_max;
    if (clock_.Monotonic() - since_ > limit || clock_.Now() > ctx.deadline) {
      return Failure(absl::StatusCode::kDeadlineExceeded, CauseOf(error),
                     "the iPhone's owner did not answer in time", move->sentence);
    }
    progress_.Report(v1::PHASE_CONNECTING, told_, move->sentence);
    if (!clock_.Sleep(pause_, ctx.stop)) {
      return Failure(absl::StatusCode::kCancelled, v1::CAUSE_CANCELLED, "cancelled", "");
    }
    pause_ = std::min(pause_ * 2, limits_.poll_max);
    return absl::OkStatus();
  }

 private:
  Clock& clock_;
  const TrustPatience& limits_;
  ProgressSink& progress_;
  absl::Duration since_;
  absl::Duration pause_;
  v1::WaitingFor told_ = v1::WAITING_FOR_UNSPECIFIED;
};

}  // namespace

std::optional<OwnersMove> OwnersMoveFor(const absl::Status& error) {
  if (error.code() != absl::StatusCode::kFailedPrecondition &&
      error.code() != absl::StatusCode::kUnauthenticated) {
    return std::nullopt;
  }
  switch (CauseOf(error)) {
    case v1::CAUSE_TRUST_PENDING:
      return OwnersMove{v1::WAITING_FOR_TRUST, kTrustSentence};
    case v1::CAUSE_LOCKED:
      return OwnersMove{v1::WAITING_FOR_UNLOCK, kUnlockSentence};
    default:
      return std::nullopt;
  }
}

absl::StatusOr<std::unique_ptr<Lockdown>> AwaitTrust(const OpContext& ctx, Clock& clock,
                                                     const TrustPatience& limits,
                                                     AttachedPhone& phone, ProgressSink& progress) {
  Patience patience(clock, limits, progress);
  while (true) {
    absl::StatusOr<std::unique_ptr<Lockdown>> session = Attempt(phone);
    absl::Status ready = session.status();
    if (ready.ok()) ready = Unlocked(**session);
    if (ready.ok()) return session;
    MOORING_RETURN_IF_ERROR(patience.Wait(ctx, ready));
  }
}

}  // namespace mooring::agent
