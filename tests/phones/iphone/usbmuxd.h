// UsbmuxServer: the usbmuxd of the simulated phones.
//
// Protocol: four little-endian u32 (length with header, version 1, type 8, tag)
// and an XML property list. A successful Connect turns the socket into a raw
// pipe to a port of the phone.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/mutex.h"
#include "tests/phones/common/unix_listener.h"
#include "tests/phones/iphone/channel.h"
#include "tests/phones/iphone/phone.h"
#include "tests/phones/iphone/plist.h"

namespace mooring::testing {

// Thread-safe. One thread for each connection, at most 4096.
class UsbmuxServer {
 public:
  struct Options {
    std::string socket_path;
    std::string state_dir;  // Where pair records are kept; in memory alone when empty.
    std::string buid;
  };

  static absl::StatusOr<std::unique_ptr<UsbmuxServer>> Start(Options options);
  ~UsbmuxServer();

  // A new DeviceID each time, as a replug gives. Does nothing if it is attached.
  void Attach(std::shared_ptr<Phone> phone);
  void Detach(const std::string& udid);
  bool IsAttached(const std::string& udid);

  // Pairs as the genuine usbmuxd does at every attachment: raises the Trust dialog
  // if the phone does not know this host; once trusted keeps the record and tells
  // listeners (Paired). Call it again when the dialog was answered.
  void Preflight(Phone& phone);

  std::vector<std::string> violations();

 private:
  struct Connection {
    std::unique_ptr<Channel> channel;
    std::atomic<bool> is_done = false;
    std::jthread thread;  // Last: joined before the rest goes.
  };
  struct Request {
    std::uint32_t tag = 0;
    Plist body;
  };

  UsbmuxServer(Options options, UnixListener listener);
  void Accept(std::stop_token stop);
  void Serve(Channel& channel);
  absl::StatusOr<Request> Receive(Channel& channel);
  absl::Status Reply(Channel& channel, std::uint32_t tag, const Plist& body);
  absl::Status ReplyResult(Channel& channel, std::uint32_t tag, std::uint64_t code);
  // False: the conversation is over.
  bool Answer(Channel& channel, const Request& request);
  void Subscribe(Channel& channel, std::uint32_t tag);
  void Connect(Channel& channel, const Request& request);
  absl::Status AnswerPairRecord(Channel& channel, const Request& request, const std::string& type);
  std::optional<std::string> FindRecord(const std::string& udid)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Keeps the record and tells listeners.
  absl::Status StoreRecord(const std::string& udid, const std::string& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Broadcast(const Plist& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Violation(std::string what);

  const Options options_;
  const UnixListener listener_;
  Mutex mutex_;
  std::uint64_t last_device_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, std::shared_ptr<Phone>> attached_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> pair_records_ ABSL_GUARDED_BY(mutex_);
  std::vector<Channel*> subscribers_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> violations_ ABSL_GUARDED_BY(mutex_);
  std::list<Connection> connections_ ABSL_GUARDED_BY(mutex_);
  std::jthread acceptor_;  // Last: it uses the rest.
};

}  // namespace mooring::testing
