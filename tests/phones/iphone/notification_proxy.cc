// notification_proxy: hosts post and observe notifications by name.

#include <cstddef>
#include <deque>
#include <memory>
#include <set>
#include <string>

#include <fmt/format.h>

#include "storage/base/mutex.h"
#include "storage/base/status.h"
#include "tests/phones/iphone/plist_service.h"
#include "tests/phones/iphone/services.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kQueueMax = 256;
constexpr absl::Duration kLook = absl::Milliseconds(20);

// Between the thread that posts and the thread that owns the connection.
// Thread-safe.
class NotificationQueue {
 public:
  void Observe(const std::string& name) {
    MutexLock lock(mutex_);
    observed_.insert(name);
  }
  void Push(const std::string& name) {
    MutexLock lock(mutex_);
    if (observed_.contains(name) && waiting_.size() < kQueueMax) waiting_.push_back(name);
  }
  std::deque<std::string> TakeAll() {
    MutexLock lock(mutex_);
    std::deque<std::string> taken;
    taken.swap(waiting_);
    return taken;
  }

 private:
  Mutex mutex_;
  std::set<std::string> observed_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> waiting_ ABSL_GUARDED_BY(mutex_);
};

absl::Status Converse(Phone& phone, Channel& channel, NotificationQueue& queue) {
  while (true) {
    for (const std::string& name : queue.TakeAll()) {
      MOORING_RETURN_IF_ERROR(SendXmlPlist(
          channel, Plist::Dict().Set("Command", "RelayNotification").Set("Name", name)));
    }
    if (!channel.HasInput(kLook)) continue;
    MOORING_ASSIGN_OR_RETURN(const Plist request, ReceivePlist(channel));
    const std::string command = request.StringOr("Command", "");
    const std::string name = request.StringOr("Name", "");
    if (command == "ObserveNotification") {
      queue.Observe(name);
    } else if (command == "PostNotification") {
      phone.PostNotification(name);
    } else if (command == "Shutdown") {
      return SendXmlPlist(channel, Plist::Dict().Set("Command", "ProxyDeath"));
    } else {
      phone.Violation(fmt::format("notification_proxy: unknown command {}", command));
    }
  }
}

}  // namespace

absl::Status ServeNotificationProxy(Phone& phone, Channel& channel) {
  const auto queue = std::make_shared<NotificationQueue>();
  const std::uint64_t observer =
      phone.AddObserver([queue](const std::string& name) { queue->Push(name); });
  const absl::Status status = Converse(phone, channel, *queue);
  phone.RemoveObserver(observer);
  return status;
}

}  // namespace mooring::testing
