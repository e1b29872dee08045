#include "agent/ios/ios_monitor.h"

#include <atomic>
#include <utility>

#include "agent/ios/imd.h"
#include "agent/ios/lockdown.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Events that may wait; beyond, the list of attached phones is compared instead.
constexpr std::size_t kEventsMax = 256;

// The library's callback is one per process, hence so is its owner.
std::atomic_flag is_owned = ATOMIC_FLAG_INIT;

}  // namespace

absl::StatusOr<std::unique_ptr<IosMonitor>> IosMonitor::Start(Listener& listener) {
  if (is_owned.test_and_set()) {
    return absl::FailedPreconditionError("iPhones are being watched already in this process");
  }
  std::unique_ptr<IosMonitor> monitor(new IosMonitor(listener));
  monitor->thread_ = std::jthread([raw = monitor.get()](std::stop_token stop) { raw->Work(stop); });
  MOORING_RETURN_IF_ERROR(
      DeviceStatus(idevice_event_subscribe(OnEvent, monitor.get()), "watch for iPhones"));
  return monitor;
}

IosMonitor::~IosMonitor() {
  // Returns once the library's thread is done: no callback comes after it.
  idevice_event_unsubscribe();
  thread_.request_stop();
  thread_.join();
  is_owned.clear();
}

void IosMonitor::OnEvent(const idevice_event_t* event, void* user_data) noexcept {
  if (event == nullptr || event->udid == nullptr || event->conn_type != CONNECTION_USBMUXD) return;
  static_cast<IosMonitor*>(user_data)->Post({event->event, SerialOf(event->udid)});
}

void IosMonitor::Post(Event event) {
  MutexLock lock(mutex_);
  if (events_.size() == kEventsMax) {
    lost_events_ = true;
  } else {
    events_.push_back(std::move(event));
  }
  posted_.NotifyOne();
}

void IosMonitor::Work(std::stop_token stop) {
  while (!stop.stop_requested()) {
    std::deque<Event> taken;
    bool lost = false;
    {
      MutexLock lock(mutex_);
      posted_.Wait(mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return !events_.empty() || lost_events_;
      });
      taken.swap(events_);
      lost = std::exchange(lost_events_, false);
    }
    for (const Event& event : taken) Handle(event);
    if (lost) Resync();
  }
}

void IosMonitor::Handle(const Event& event) {
  switch (event.type) {
    case IDEVICE_DEVICE_ADD:
      if (attached_.insert(event.serial).second) {
        listener_.OnAttached({v1::PLATFORM_IOS, event.serial});
      }
      break;
    case IDEVICE_DEVICE_REMOVE:
      if (attached_.erase(event.serial) > 0) listener_.OnDetached(event.serial);
      break;
    case IDEVICE_DEVICE_PAIRED:
      listener_.OnChanged(event.serial);
      break;
  }
}

void IosMonitor::Resync() {
  const std::set<std::string> now = AttachedSerials();
  const std::set<std::string> before = attached_;
  for (const std::string& serial : before) {
    if (!now.contains(serial)) Handle({IDEVICE_DEVICE_REMOVE, serial});
  }
  for (const std::string& serial : now) Handle({IDEVICE_DEVICE_ADD, serial});
}

}  // namespace mooring::agent
