// Channel: one connection from the host to a phone, in clear or under TLS.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"

namespace mooring::testing {

class TlsEndpoint;
class TlsStream;

// Reads and writes block. Writes are gathered and go out with Flush, with any
// read, and when 64 KiB have come together. Not thread-safe; Shutdown alone may
// be called from anywhere (it makes the owner's calls fail, as an unplug does).
// Errors: kUnavailable when the host is gone, kDeadlineExceeded after the timeout.
class Channel {
 public:
  // Takes the socket over and closes it.
  explicit Channel(int socket);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  absl::Status Read(char* out, std::size_t length);
  absl::StatusOr<std::string> ReadString(std::size_t length);
  absl::StatusOr<std::uint32_t> ReadBe32();
  absl::Status Write(std::string_view bytes);
  absl::Status WriteBe32(std::uint32_t value);
  absl::Status Flush();

  // Whether anything can be read within `wait`.
  bool HasInput(absl::Duration wait);

  // As the server. The host must present one of the certificates that `endpoint` trusts.
  absl::Status StartTls(const TlsEndpoint& endpoint);
  // Waits for the host's close_notify, answers it and goes on in clear.
  absl::Status StopTls();

  void Shutdown();
  void set_read_timeout(absl::Duration timeout) { read_timeout_ = timeout; }
  int socket() const { return socket_; }

 private:
  absl::Status WaitReadable();
  absl::Status WriteNow(std::string_view bytes);

  const int socket_;
  absl::Duration read_timeout_ = absl::InfiniteDuration();
  std::unique_ptr<TlsStream> tls_;
  std::string pending_;
};

}  // namespace mooring::testing
