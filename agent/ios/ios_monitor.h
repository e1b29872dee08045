// IosMonitor: the one place in the process that hears of iPhones that come and
// go. libimobiledevice has a single event callback, on a thread of its own; it
// only posts, and the monitor's thread tells the listener.

#pragma once

#include <deque>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include <absl/status/statusor.h>
#include <libimobiledevice/libimobiledevice.h>

#include "agent/device/device.h"
#include "storage/base/mutex.h"

namespace mooring::agent {

// Thread-safe. The listener is called from Start's return (or a little before)
// until the destructor's, first once for each phone that is attached already.
class IosMonitor final : public DeviceMonitor {
 public:
  // `listener` must outlive the monitor. kFailedPrecondition: the process has one.
  static absl::StatusOr<std::unique_ptr<IosMonitor>> Start(Listener& listener);
  ~IosMonitor() override;

 private:
  struct Event {
    idevice_event_type type = IDEVICE_DEVICE_ADD;
    std::string serial;
  };

  explicit IosMonitor(Listener& listener) : listener_(listener) {}

  static void OnEvent(const idevice_event_t* event, void* user_data) noexcept;
  void Post(Event event) ABSL_LOCKS_EXCLUDED(mutex_);
  void Work(std::stop_token stop) ABSL_LOCKS_EXCLUDED(mutex_);
  void Handle(const Event& event);
  // After lost events: compares with the phones that are attached.
  void Resync();

  Listener& listener_;
  std::set<std::string> attached_;  // The monitor's thread alone.
  Mutex mutex_;
  CondVar posted_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  bool lost_events_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace mooring::agent
