#include "storage/base/clock.h"

#include <chrono>
#include <utility>

#include <absl/time/clock.h>

namespace mooring {

absl::Time SystemClock::Now() {
  return absl::Now();
}

absl::Duration SystemClock::Monotonic() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

bool SystemClock::Sleep(absl::Duration duration, std::stop_token stop) {
  Mutex mutex;
  CondVar condition;
  MutexLock lock(mutex);
  return !condition.WaitFor(mutex, std::move(stop), duration, [] { return false; }).stopped;
}

absl::Time ManualClock::Now() {
  MutexLock lock(mutex_);
  return now_;
}

absl::Duration ManualClock::Monotonic() {
  MutexLock lock(mutex_);
  return monotonic_;
}

bool ManualClock::Sleep(absl::Duration duration, std::stop_token stop) {
  MutexLock lock(mutex_);
  const absl::Duration wake = monotonic_ + duration;
  return advanced_.Wait(mutex_, std::move(stop), [this, wake]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return monotonic_ >= wake;
  });
}

void ManualClock::Advance(absl::Duration duration) {
  MutexLock lock(mutex_);
  now_ += duration;
  monotonic_ += duration;
  advanced_.NotifyAll();
}

void ManualClock::Jump(absl::Duration duration) {
  MutexLock lock(mutex_);
  now_ += duration;
}

}  // namespace mooring
