// ProgressReporter: a ProgressSink that gathers and passes on, often enough for
// a person and seldom enough for a wire.

#pragma once

#include <string>

#include <absl/functional/any_invocable.h>

#include "agent/device/device.h"
#include "mooring/v1/common.pb.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace mooring::agent {

// Thread-safe.
class ProgressReporter final : public ProgressSink {
 public:
  // `send` is called without overlap, at once when phase, wait or message
  // change, else at most every half second.
  ProgressReporter(Clock& clock, absl::AnyInvocable<void(const v1::Progress&)> send);

  void Report(v1::Phase phase, v1::WaitingFor waiting_for, const std::string& message) override;
  void Percent(int percent) override;
  void Moved(std::uint64_t files, std::uint64_t bytes) override;

 private:
  void SendIfDue(bool now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock& clock_;
  Mutex mutex_;
  absl::AnyInvocable<void(const v1::Progress&)> send_ ABSL_GUARDED_BY(mutex_);
  v1::Progress progress_ ABSL_GUARDED_BY(mutex_);
  absl::Duration sent_at_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
};

}  // namespace mooring::agent
