#include "agent/process/message_pipe.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kLengthBytes = 4;
// Read at once; small enough to stay in the processor's cache.
constexpr int kReadBlockBytes = 64 << 10;
// Buffers larger than this are given back once a message is through.
constexpr std::size_t kKeptBufferBytes = std::size_t{64} << 10;

absl::Status Gone(std::string_view doing) {
  return absl::UnavailableError(ToAbsl(fmt::format("pipe: {}: the other side is gone", doing)));
}

absl::Status TooLong(std::size_t bytes) {
  return absl::InvalidArgumentError(
      ToAbsl(fmt::format("pipe: a message of {} bytes is too long", bytes)));
}

absl::Status WriteAll(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return Gone("send");
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return absl::OkStatus();
}

absl::Status ReadAll(int fd, std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t got = recv(fd, out.data(), out.size(), MSG_WAITALL);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Gone("receive");
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return absl::OkStatus();
}

// The rest of one message, read from the socket as the parser asks for it: a
// chunk goes straight into its field, without a buffer of its own.
class MessageBody final : public google::protobuf::io::CopyingInputStream {
 public:
  MessageBody(int fd, std::size_t bytes) : fd_(fd), left_(bytes) {}

  int Read(void* buffer, int size) override {
    const std::size_t wanted = std::min(left_, static_cast<std::size_t>(size));
    if (wanted == 0) return 0;
    status_ = ReadAll(fd_, {static_cast<std::byte*>(buffer), wanted});
    if (!status_.ok()) return -1;
    left_ -= wanted;
    return static_cast<int>(wanted);
  }
  // What the parser left, where it gave up.
  absl::Status Drain() {
    std::byte waste[4096];
    while (status_.ok() && left_ > 0) {
      if (Read(waste, sizeof(waste)) <= 0) break;
    }
    return status_;
  }

 private:
  const int fd_;
  std::size_t left_;
  absl::Status status_;
};

void TrimIfLarge(Bytes& buffer) {
  if (buffer.capacity() > kKeptBufferBytes) Bytes().swap(buffer);
}

}  // namespace

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.Release();
  }
  return *this;
}

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) close(fd_);
}

int OwnedFd::Release() {
  return std::exchange(fd_, -1);
}

absl::Status MessagePipe::Send(const google::protobuf::MessageLite& message) {
  const std::size_t size = message.ByteSizeLong();
  if (size > kPipeMessageBytesMax) return TooLong(size);
  MutexLock lock(send_mutex_);
  send_buffer_.resize(kLengthBytes + size);
  const auto length = static_cast<std::uint32_t>(size);
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    send_buffer_[i] = static_cast<std::byte>(length >> (8 * i));
  }
  message.SerializeWithCachedSizesToArray(
      reinterpret_cast<std::uint8_t*>(send_buffer_.data() + kLengthBytes));
  const absl::Status sent = WriteAll(fd_.get(), send_buffer_);
  TrimIfLarge(send_buffer_);
  return sent;
}

absl::Status MessagePipe::SendEncoded(ByteView head, ByteView tail) {
  const std::size_t size = head.size() + tail.size();
  if (size > kPipeMessageBytesMax) return TooLong(size);
  Bytes front;
  AppendLe32(front, static_cast<std::uint32_t>(size));
  Append(front, head);
  MutexLock lock(send_mutex_);
  MOORING_RETURN_IF_ERROR(WriteAll(fd_.get(), front));
  return WriteAll(fd_.get(), tail);
}

absl::Status MessagePipe::Receive(google::protobuf::MessageLite& message) {
  std::byte head[kLengthBytes];
  MOORING_RETURN_IF_ERROR(ReadAll(fd_.get(), head));
  const std::uint32_t length = LoadLe32(head, 0);
  if (length > kPipeMessageBytesMax) {
    return absl::DataLossError(
        ToAbsl(fmt::format("pipe: a message of {} bytes is announced; at most {} are allowed",
                           length, kPipeMessageBytesMax)));
  }
  MessageBody body(fd_.get(), length);
  google::protobuf::io::CopyingInputStreamAdaptor stream(&body, kReadBlockBytes);
  const bool parsed = message.ParseFromBoundedZeroCopyStream(&stream, static_cast<int>(length));
  MOORING_RETURN_IF_ERROR(body.Drain());
  if (!parsed) return absl::DataLossError("pipe: what came is not a message of this protocol");
  return absl::OkStatus();
}

void MessagePipe::Shutdown() {
  shutdown(fd_.get(), SHUT_RDWR);
}

absl::StatusOr<unsigned> MessagePipe::PeerUser() const {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return absl::InternalError(
        ToAbsl(fmt::format("peer of a socket: {}", std::generic_category().message(errno))));
  }
  return peer.uid;
}

}  // namespace mooring::agent
