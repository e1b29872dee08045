#include "storage/care/pace.h"

#include <algorithm>

#include "storage/base/status.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

absl::Status Pace::Take(const OpContext& ctx, std::uint64_t bytes) {
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  if (bytes_per_second_ == 0) return absl::OkStatus();
  const absl::Duration now = clock_.Monotonic();
  // Idle time is not saved up: that would end in a burst.
  next_ = std::max(next_, now);
  const absl::Duration wait = next_ - now;
  next_ += absl::Seconds(static_cast<double>(bytes) / static_cast<double>(bytes_per_second_));
  if (wait <= absl::ZeroDuration()) return absl::OkStatus();
  if (ctx.deadline - clock_.Now() < wait) {
    return absl::DeadlineExceededError("no time left to read on at this rate");
  }
  if (!clock_.Sleep(wait, ctx.stop)) return absl::CancelledError("stopped");
  return absl::OkStatus();
}

}  // namespace mooring::storage
