// ScriptedAdbServer: a smart-socket server on a port of its own whose list of
// phones and whose answers a test writes down.

#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <thread>

#include "agent/android/adb_address.h"
#include "storage/base/mutex.h"

namespace mooring::testing {

// Thread-safe.
class ScriptedAdbServer {
 public:
  ScriptedAdbServer();
  ~ScriptedAdbServer();

  agent::AdbAddress address() const { return {"127.0.0.1", port_, ""}; }

  // The raw bytes that answer `request`; the connection closes after them.
  void Answer(const std::string& request, const std::string& bytes);
  // A command of the phone with this transport id.
  void AnswerShell(std::uint64_t transport_id, const std::string& command,
                   const std::string& output);
  // What host:devices-l and the trackers tell.
  void SetList(const std::string& list);
  // Ends the trackers' connections, as a server that is killed does.
  void DropTrackers();
  // How many trackers have been told the newest list.
  int trackers() const;

  static std::string Okay(const std::string& text);
  static std::string Fail(const std::string& text);

 private:
  void Accept(std::stop_token stop);
  void Serve(std::stop_token stop, int socket);
  void Track(std::stop_token stop, int socket);
  // The bytes for `request`, on a connection bound to `transport_id`.
  std::string AnswerTo(const std::string& request, std::uint64_t transport_id) const;

  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable Mutex mutex_;
  CondVar changed_;
  std::map<std::string, std::string> answers_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> shells_ ABSL_GUARDED_BY(mutex_);
  std::string list_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t version_ ABSL_GUARDED_BY(mutex_) = 1;
  std::uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  int trackers_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<std::jthread> connections_;  // The accepting thread's.
  std::jthread thread_;
};

}  // namespace mooring::testing
