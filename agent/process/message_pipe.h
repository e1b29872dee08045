// MessagePipe: protobuf messages over a stream socket, each behind its length.
// Agent and session, and desk command and agent, talk through it.

#pragma once

#include <cstdint>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/message_lite.h>

#include "storage/base/bytes.h"
#include "storage/base/mutex.h"

namespace mooring::agent {

// Longest message either side accepts, in bytes.
inline constexpr std::uint32_t kPipeMessageBytesMax = std::uint32_t{24} << 20;

// A file descriptor that is closed when it goes. Move-only.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.Release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  ~OwnedFd();

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release();

 private:
  int fd_ = -1;
};

// Send is thread-safe; Receive is for one thread.
class MessagePipe {
 public:
  explicit MessagePipe(OwnedFd fd) : fd_(std::move(fd)) {}

  // Blocks while the other side does not read: that is the back-pressure.
  // kUnavailable: the other side is gone.
  absl::Status Send(const google::protobuf::MessageLite& message);

  // Sends a message that is encoded already, as two runs of bytes: for chunks,
  // which are too large to be copied for nothing.
  absl::Status SendEncoded(ByteView head, ByteView tail);

  // The next message. kUnavailable: the other side is gone. kDataLoss: not a
  // message of this type, or longer than kPipeMessageBytesMax.
  absl::Status Receive(google::protobuf::MessageLite& message);

  // Ends both directions; blocked calls return. Any thread.
  void Shutdown();
  // User id of the process on the other side.
  absl::StatusOr<unsigned> PeerUser() const;

 private:
  OwnedFd fd_;
  Mutex send_mutex_;
  Bytes send_buffer_ ABSL_GUARDED_BY(send_mutex_);
};

}  // namespace mooring::agent
