#include "agent/link/backoff.h"

#include <algorithm>

#include "agent/device/cause.h"

namespace mooring::agent {

Backoff::Backoff(Clock& clock, Random& random, const Patience& patience)
    : clock_(clock),
      random_(random),
      patience_(patience),
      next_(patience.first),
      since_(clock.Monotonic()) {}

bool Backoff::Wait(const OpContext& ctx) {
  if (clock_.Monotonic() - since_ > patience_.total) return false;
  const std::int64_t most = std::max<std::int64_t>(absl::ToInt64Milliseconds(next_), 1);
  const auto wait = static_cast<std::int64_t>(random_.Below(static_cast<std::uint64_t>(most))) + 1;
  next_ = std::min(next_ * 2, patience_.longest);
  return clock_.Sleep(absl::Milliseconds(wait), ctx.stop);
}

void Backoff::Reset() {
  next_ = patience_.first;
  since_ = clock_.Monotonic();
}

bool IsWorthRetrying(const absl::Status& status) {
  const std::optional<v1::ErrorDetail> detail = DetailOf(status);
  if (detail && detail->in_doubt()) return true;
  // gRPC says "cancelled" for a call that a server dropped on its way down; a
  // call that we cancelled ends with our own stop.
  if (absl::IsCancelled(status) && !detail) return true;
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace mooring::agent
