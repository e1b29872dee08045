// PhonePort: the TCP port on which hosts reach one simulated phone. Its cable can be
// pulled and put back; the number stays.

#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <thread>

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "storage/base/mutex.h"
#include "tests/phones/android/connection.h"
#include "tests/phones/android/phone.h"

namespace mooring::testing::android {

// Thread-safe. The destructor pulls the cable and waits for every conversation to end.
class PhonePort {
 public:
  // `unplugged` is told when a fault has pulled the cable: for how long, zero for good. It is
  // called from a thread of the port and must not wait for it.
  PhonePort(AndroidPhone& phone, std::function<void(absl::Duration)> unplugged);
  ~PhonePort();
  PhonePort(const PhonePort&) = delete;
  PhonePort& operator=(const PhonePort&) = delete;

  // Listens; on the phone's own port if it has one. kUnavailable: none is free.
  absl::Status Attach();
  void Detach();
  bool is_attached();
  bool has_connections();
  std::uint16_t port();

 private:
  struct Task {
    std::shared_ptr<Connection> connection;
    std::shared_ptr<std::atomic<bool>> is_done;
    std::jthread thread;
  };
  void Accept(std::stop_token stop);
  void Serve(int socket);

  AndroidPhone& phone_;
  const std::function<void(absl::Duration)> unplugged_;
  Mutex mutex_;
  CondVar changed_;
  int listener_ ABSL_GUARDED_BY(mutex_) = -1;
  std::uint16_t port_ ABSL_GUARDED_BY(mutex_);
  std::list<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  std::jthread acceptor_;  // Last: it uses the rest, and ends first.
};

}  // namespace mooring::testing::android
