#include "tests/phones/android/phone_port.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::testing::android {
namespace {

constexpr int kPollMs = 50;
constexpr std::size_t kConnectionsMax = 8;
constexpr int kPortTries = 200;
// Below the ports that the kernel lends to clients: a phone that comes back finds its port
// free. Far above 5555 to 5585, where an adb server looks for emulators by itself.
constexpr std::uint16_t kFirstPort = 21'000;
constexpr std::uint64_t kPorts = 10'000;

// A socket that listens on 127.0.0.1, or -1.
int Listen(std::uint16_t port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      listen(listener, 16) == 0) {
    return listener;
  }
  close(listener);
  return -1;
}

}  // namespace

PhonePort::PhonePort(AndroidPhone& phone, std::function<void(absl::Duration)> unplugged)
    : phone_(phone), unplugged_(std::move(unplugged)), port_(phone.options().port) {
  acceptor_ = std::jthread([this](std::stop_token stop) { Accept(std::move(stop)); });
}

PhonePort::~PhonePort() {
  acceptor_ = {};
  Detach();
  std::list<Task> tasks;
  {
    MutexLock lock(mutex_);
    tasks.swap(tasks_);
  }
}

absl::Status PhonePort::Attach() {
  MutexLock lock(mutex_);
  if (listener_ >= 0) return absl::OkStatus();
  if (port_ != 0) {
    listener_ = Listen(port_);
  } else {
    for (int i = 0; i < kPortTries && listener_ < 0; ++i) {
      port_ = static_cast<std::uint16_t>(kFirstPort + phone_.random().Below(kPorts));
      listener_ = Listen(port_);
    }
  }
  changed_.NotifyAll();
  if (listener_ >= 0) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("cannot listen on 127.0.0.1:{}", port_));
}

void PhonePort::Detach() {
  MutexLock lock(mutex_);
  if (listener_ >= 0) {
    shutdown(listener_, SHUT_RDWR);
    close(std::exchange(listener_, -1));
  }
  for (const Task& task : tasks_) task.connection->Shut();
}

bool PhonePort::is_attached() {
  MutexLock lock(mutex_);
  return listener_ >= 0;
}

bool PhonePort::has_connections() {
  MutexLock lock(mutex_);
  for (const Task& task : tasks_) {
    if (!*task.is_done) return true;
  }
  return false;
}

std::uint16_t PhonePort::port() {
  MutexLock lock(mutex_);
  return port_;
}

void PhonePort::Accept(std::stop_token stop) {
  while (!stop.stop_requested()) {
    int listener = -1;
    {
      MutexLock lock(mutex_);
      changed_.WaitFor(mutex_, stop, absl::Milliseconds(kPollMs),
                       [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return listener_ >= 0; });
      if (listener_ < 0) continue;
      listener = dup(listener_);  // Detach may close the other while this thread waits.
    }
    pollfd poller{listener, POLLIN, 0};
    if (poll(&poller, 1, kPollMs) > 0) {
      const int socket = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket >= 0) Serve(socket);
    }
    close(listener);
  }
}

void PhonePort::Serve(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  MutexLock lock(mutex_);
  tasks_.remove_if([](const Task& task) { return task.is_done->load(); });
  if (listener_ < 0 || tasks_.size() >= kConnectionsMax) {
    close(socket);
    return;
  }
  Task task;
  task.is_done = std::make_shared<std::atomic<bool>>(false);
  task.connection = std::make_shared<Connection>(socket, phone_, [this](absl::Duration pause) {
    Detach();
    unplugged_(pause);
  });
  task.thread = std::jthread([connection = task.connection, is_done = task.is_done] {
    connection->Run();
    *is_done = true;
  });
  tasks_.push_back(std::move(task));
}

}  // namespace mooring::testing::android
