// AdbStream: bytes to and from one service, or the adb server itself.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/android/adb_address.h"
#include "agent/device/socket_wait.h"
#include "storage/base/bytes.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Thread-bound. After any error the stream is dead.
//
// Errors: kUnavailable (CAUSE_UNPLUGGED) when the other end closed,
// kDeadlineExceeded (CAUSE_PHONE_STALLED) after a long silence, kCancelled and
// kDeadlineExceeded as the context asks.
class AdbStream {
 public:
  virtual ~AdbStream() = default;

  // At least one byte; 0 once the other end has closed.
  virtual absl::StatusOr<std::size_t> ReadSome(const OpContext& ctx, std::span<std::byte> out) = 0;
  // Some of `bytes`, or 0 as soon as there is something to read.
  virtual absl::StatusOr<std::size_t> WriteOrHear(const OpContext& ctx, ByteView bytes) = 0;
  // All of `bytes`.
  virtual absl::Status Write(const OpContext& ctx, ByteView bytes) = 0;

  // Fills all of `out`.
  absl::Status Read(const OpContext& ctx, std::span<std::byte> out);
};

// A connection to the adb server.
class AdbSocket final : public AdbStream {
 public:
  struct Patience {
    absl::Duration connect;
    absl::Duration silence;
  };
  // kUnavailable without a cause: nobody listens at `address`.
  static absl::StatusOr<std::unique_ptr<AdbSocket>> Connect(const OpContext& ctx, Clock& clock,
                                                            const AdbAddress& address,
                                                            const Patience& patience,
                                                            QuietListener listener);
  ~AdbSocket() override;

  absl::StatusOr<std::size_t> ReadSome(const OpContext& ctx, std::span<std::byte> out) override;
  absl::StatusOr<std::size_t> WriteOrHear(const OpContext& ctx, ByteView bytes) override;
  absl::Status Write(const OpContext& ctx, ByteView bytes) override;

 private:
  AdbSocket(Clock& clock, int socket, const Patience& patience);

  // What was read ahead, so that short reads cost no system call each.
  bool has_buffered() const { return buffer_at_ < buffer_end_; }

  const int socket_;
  SocketWait wait_;
  Bytes buffer_;
  std::size_t buffer_at_ = 0;
  std::size_t buffer_end_ = 0;
};

// The server's framing: requests and texts behind four hexadecimal digits.

// Sends `request` and takes the answer; FAIL becomes AdbRefusal.
absl::Status AskAdb(const OpContext& ctx, AdbStream& stream, std::string_view request);
// One text, at most 64 KiB.
absl::StatusOr<std::string> ReadAdbText(const OpContext& ctx, AdbStream& stream);
// What the server's FAIL means.
absl::Status AdbRefusal(std::string_view text);
// The other end sent what the protocol does not allow. `what` names no content.
absl::Status AdbProtocolError(std::string_view what);
absl::Status AdbClosed();

}  // namespace mooring::agent
