// RecordingListener: what a DeviceMonitor told, one line an event.

#pragma once

#include <string>
#include <vector>

#include "agent/device/device.h"
#include "storage/base/mutex.h"

namespace mooring::testing {

// Thread-safe.
class RecordingListener final : public agent::DeviceMonitor::Listener {
 public:
  void OnAttached(const agent::DeviceMonitor::Attached& device) override {
    Add((device.provisional ? "attached provisionally " : "attached ") + device.serial);
  }
  void OnDetached(const std::string& serial) override { Add("detached " + serial); }
  void OnChanged(const std::string& serial) override { Add("changed " + serial); }

  // Waits for so many events, at most some seconds; returns all there are.
  std::vector<std::string> Await(std::size_t count) {
    MutexLock lock(mutex_);
    changed_.WaitFor(mutex_, {}, absl::Seconds(20),
                     [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return events_.size() >= count; });
    return events_;
  }

 private:
  void Add(std::string event) {
    MutexLock lock(mutex_);
    events_.push_back(std::move(event));
    changed_.NotifyAll();
  }

  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> events_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing
