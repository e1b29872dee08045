// ShiftedClock: the system's clock, moved on by what a test says. TLS looks at
// the system's own time, so a clock that stands still would not do.

#pragma once

#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace mooring::testing {

// Thread-safe.
class ShiftedClock final : public Clock {
 public:
  absl::Time Now() override { return system_.Now() + shift(); }
  absl::Duration Monotonic() override { return system_.Monotonic() + shift(); }
  bool Sleep(absl::Duration duration, std::stop_token stop) override {
    return system_.Sleep(duration, std::move(stop));
  }

  void Advance(absl::Duration duration) {
    MutexLock lock(mutex_);
    shift_ += duration;
  }

 private:
  absl::Duration shift() {
    MutexLock lock(mutex_);
    return shift_;
  }

  SystemClock system_;
  Mutex mutex_;
  absl::Duration shift_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
};

}  // namespace mooring::testing
