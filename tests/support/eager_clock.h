// A clock whose sleepers wait for nothing: time jumps to the end of each sleep. For
// tests of code that waits between attempts.

#pragma once

#include <stop_token>

#include <absl/time/time.h>

#include "storage/base/clock.h"

namespace mooring::testing {

// Thread-safe.
class EagerClock final : public Clock {
 public:
  explicit EagerClock(absl::Time start) : clock_(start) {}

  absl::Time Now() override { return clock_.Now(); }
  absl::Duration Monotonic() override { return clock_.Monotonic(); }
  bool Sleep(absl::Duration duration, std::stop_token stop) override {
    if (stop.stop_requested()) return false;
    clock_.Advance(duration);
    return true;
  }
  void Advance(absl::Duration duration) { clock_.Advance(duration); }

 private:
  ManualClock clock_;
};

}  // namespace mooring::testing
