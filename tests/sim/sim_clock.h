// SimClock: the clock of one machine of a simulation: simulated time and how far
// this machine's wall clock is off. Sleeping is a switch of tasks.

#pragma once

#include <stop_token>

#include "storage/base/clock.h"
#include "tests/sim/scheduler.h"

namespace mooring::testing {

class SimClock final : public Clock {
 public:
  // The scheduler outlives the clock.
  explicit SimClock(Scheduler& scheduler) : scheduler_(scheduler) {}

  absl::Time Now() override {
    return absl::FromUnixSeconds(1'790'000'000) + scheduler_.now() + offset_;
  }
  absl::Duration Monotonic() override { return scheduler_.now(); }
  bool Sleep(absl::Duration duration, std::stop_token stop) override {
    if (stop.stop_requested()) return false;
    scheduler_.Sleep(duration);
    return !stop.stop_requested();
  }

  // Whole microseconds, as a catalog keeps them.
  void set_offset(absl::Duration offset) { offset_ = offset; }
  absl::Duration offset() const { return offset_; }

 private:
  Scheduler& scheduler_;
  absl::Duration offset_ = absl::ZeroDuration();
};

}  // namespace mooring::testing
