// Connection: one host on one phone, from its CNXN to the end: authorization, streams,
// and a thread for each service that the host opened.

#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "storage/base/mutex.h"
#include "tests/phones/android/auth_key.h"
#include "tests/phones/android/packet.h"
#include "tests/phones/android/phone.h"
#include "tests/phones/android/service_stream.h"

namespace mooring::testing::android {

class Connection {
 public:
  // `unplug` pulls the cable of the phone, for so long (zero: until further notice); called from
  // any thread of the connection, it must not wait for it.
  Connection(int socket, AndroidPhone& phone, std::function<void(absl::Duration)> unplug);
  ~Connection();

  // Serves until the host or the cable goes; then waits for the services to end.
  void Run();
  void Shut();

 private:
  class Stream;
  struct Task {
    std::shared_ptr<Stream> stream;
    std::jthread thread;
  };

  absl::Status Handle(Packet packet);
  absl::Status HandleAuth(Packet packet);
  absl::Status HandleStream(Packet packet);
  void HandleOpen(Packet packet);
  void SendToken();
  void SendBanner();
  void CheckDialog();
  // A WRTE to the host, with the faults that strike it.
  bool SendData(std::uint32_t local, std::uint32_t remote, std::string payload);
  std::shared_ptr<Stream> Find(std::uint32_t local);
  void Reap();
  void CloseStreams();

  AndroidPhone& phone_;
  const std::function<void(absl::Duration)> unplug_;
  PacketSocket socket_;
  std::stop_source gone_;  // Wakes what sleeps for a stall.
  std::uint32_t host_version_ = 0;
  std::uint32_t payload_max_ = 4096;
  std::string token_;
  std::vector<std::string> signatures_;  // Of the last tokens, each with its token in front.
  std::string asked_key_;
  bool is_online_ = false;
  std::uint32_t last_id_ = 0;
  Mutex mutex_;
  std::map<std::uint32_t, std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
  std::list<Task> tasks_;
};

}  // namespace mooring::testing::android
