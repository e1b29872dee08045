// Pace: keeps background reading below a rate, so that backups and restores come first.

#pragma once

#include <cstdint>

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::storage {

// Thread-bound.
class Pace {
 public:
  // 0: as fast as it goes. `clock` outlives this.
  Pace(Clock& clock, std::uint64_t bytes_per_second)
      : clock_(clock), bytes_per_second_(bytes_per_second), next_(clock.Monotonic()) {}

  // Waits until `bytes` more may be read. kCancelled, kDeadlineExceeded: as `ctx` asks.
  absl::Status Take(const OpContext& ctx, std::uint64_t bytes);

 private:
  Clock& clock_;
  const std::uint64_t bytes_per_second_;
  absl::Duration next_;  // When the budget is even again.
};

}  // namespace mooring::storage
