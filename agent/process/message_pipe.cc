#include "agent/process/message_pipe.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kLengthBytes = 4;
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
  receive_buffer_.resize(length);
  MOORING_RETURN_IF_ERROR(ReadAll(fd_.get(), receive_buffer_));
  const bool parsed =
      message.ParseFromArray(receive_buffer_.data(), static_cast<int>(receive_buffer_.size()));
  TrimIfLarge(receive_buffer_);
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
