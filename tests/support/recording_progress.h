// RecordingProgress: a ProgressSink that remembers, for tests.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/device/device.h"
#include "storage/base/mutex.h"

namespace mooring::testing {

// Thread-safe.
class RecordingProgress final : public agent::ProgressSink {
 public:
  struct Line {
    v1::Phase phase = v1::PHASE_UNSPECIFIED;
    v1::WaitingFor waiting_for = v1::WAITING_FOR_UNSPECIFIED;
    std::string message;
  };

  // Called after each report, on the engine's thread: the owner who reacts.
  void set_on_report(std::function<void(const Line&)> on_report) {
    on_report_ = std::move(on_report);
  }

  void Report(v1::Phase phase, v1::WaitingFor waiting_for, const std::string& message) override {
    const Line line{phase, waiting_for, message};
    {
      MutexLock lock(mutex_);
      lines_.push_back(line);
    }
    if (on_report_) on_report_(line);
  }
  void Percent(int percent) override {
    MutexLock lock(mutex_);
    percent_ = percent;
  }
  void Moved(std::uint64_t files, std::uint64_t bytes) override {
    MutexLock lock(mutex_);
    files_ += files;
    bytes_ += bytes;
  }

  std::vector<Line> lines() const {
    MutexLock lock(mutex_);
    return lines_;
  }
  bool WaitedFor(v1::WaitingFor waiting_for) const {
    MutexLock lock(mutex_);
    for (const Line& line : lines_) {
      if (line.waiting_for == waiting_for) return true;
    }
    return false;
  }
  int percent() const {
    MutexLock lock(mutex_);
    return percent_;
  }
  std::uint64_t files() const {
    MutexLock lock(mutex_);
    return files_;
  }
  std::uint64_t bytes() const {
    MutexLock lock(mutex_);
    return bytes_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<Line> lines_ ABSL_GUARDED_BY(mutex_);
  int percent_ ABSL_GUARDED_BY(mutex_) = -1;
  std::uint64_t files_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::function<void(const Line&)> on_report_;
};

}  // namespace mooring::testing
