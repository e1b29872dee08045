#include "agent/device/socket_wait.h"

#include <poll.h>

#include <fmt/format.h>

#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// How long one poll sleeps: the latency of a stop request.
constexpr int kPollMs = 100;
constexpr absl::Duration kTellEvery = absl::Seconds(1);

}  // namespace

absl::Status CheckNotStopped(const OpContext& ctx) {
  if (!ctx.stop.stop_requested()) return absl::OkStatus();
  return Failure(absl::StatusCode::kCancelled, v1::CAUSE_CANCELLED, "cancelled", "");
}

void SocketWait::Restart() {
  since_ = clock_.Monotonic();
  told_at_ = since_;
}

absl::Status SocketWait::Await(const OpContext& ctx, For what) {
  const auto events =
      static_cast<short>((what.writing ? POLLOUT : 0) | (what.reading ? POLLIN : 0));
  while (true) {
    MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
    if (clock_.Now() >= ctx.deadline) return absl::DeadlineExceededError("out of time");
    pollfd poll_for{.fd = socket_, .events = events, .revents = 0};
    if (poll(&poll_for, 1, kPollMs) > 0) return absl::OkStatus();
    const absl::Duration now = clock_.Monotonic();
    if (now - since_ > silence_max_) {
      return Failure(
          absl::StatusCode::kDeadlineExceeded, v1::CAUSE_PHONE_STALLED,
          fmt::format("the {} was silent for {}", phone_, absl::FormatDuration(silence_max_)),
          fmt::format("Unlock the {}, restart it if that does not help, and try again", phone_));
    }
    if (listener_ && now - told_at_ >= kTellEvery) {
      told_at_ = now;
      MOORING_RETURN_IF_ERROR(listener_(now - since_));
    }
  }
}

}  // namespace mooring::agent
