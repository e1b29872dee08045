// Clock: the only source of time.
//
// Production code takes a Clock& and never asks the system, so that a test can
// make a year pass. SystemClock is chosen in main alone.

#pragma once

#include <stop_token>

#include <absl/time/time.h>

#include "storage/base/mutex.h"

namespace mooring {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Wall-clock time, UTC. May jump; for records, never for measuring.
  virtual absl::Time Now() = 0;

  // Time since some fixed point; never goes back. For timeouts and rates.
  virtual absl::Duration Monotonic() = 0;

  // Waits for `duration` or until `stop` is requested; true if the time passed.
  virtual bool Sleep(absl::Duration duration, std::stop_token stop) = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() override;
  absl::Duration Monotonic() override;
  bool Sleep(absl::Duration duration, std::stop_token stop) override;
};

// A clock that stands still until it is told to move. Sleepers wake when
// Advance passes their time.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(absl::Time start) : now_(start) {}

  absl::Time Now() override;
  absl::Duration Monotonic() override;
  bool Sleep(absl::Duration duration, std::stop_token stop) override;

  void Advance(absl::Duration duration);
  // Moves wall-clock time alone, as an operator or NTP would.
  void Jump(absl::Duration duration);

 private:
  Mutex mutex_;
  CondVar advanced_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
  absl::Duration monotonic_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
};

}  // namespace mooring
