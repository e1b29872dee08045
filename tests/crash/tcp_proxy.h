// TcpProxy: a bad line between an agent and its server: slow, far, breaking, or silent.

#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <absl/time/time.h>

#include "storage/base/mutex.h"

namespace mooring::testing {

// Thread-safe.
class TcpProxy {
 public:
  // Listens on a port of its own; what comes goes to `target` (HOST:PORT, IPv4).
  explicit TcpProxy(const std::string& target);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  std::string address() const;
  // Of each direction of each connection; 0: as fast as it goes.
  void set_bytes_per_second(std::uint64_t value) { bytes_per_second_ = value; }
  // Each piece of at most 16 KiB is held back so long.
  void set_delay(absl::Duration value) { delay_ms_ = absl::ToInt64Milliseconds(value); }
  // Nothing passes any more, and nobody is told.
  void set_stalled(bool value) { is_stalled_ = value; }
  // RST on every connection that there is.
  void ResetAll();
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t connections() const { return accepted_; }

 private:
  struct Line;
  void Accept(const std::stop_token& stop);
  void Pass(Line& line, int from, int to);

  const std::string target_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<std::uint64_t> bytes_per_second_ = 0;
  std::atomic<std::int64_t> delay_ms_ = 0;
  std::atomic<bool> is_stalled_ = false;
  std::atomic<bool> is_over_ = false;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<std::uint64_t> accepted_ = 0;
  Mutex mutex_;
  std::vector<std::unique_ptr<Line>> lines_ ABSL_GUARDED_BY(mutex_);
  std::jthread acceptor_;
};

}  // namespace mooring::testing
