#include "tests/phones/iphone/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>

#include "storage/base/status.h"
#include "tests/phones/iphone/tls.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kGatherBytes = 64 << 10;
constexpr absl::Duration kHandshakeTimeout = absl::Seconds(30);

absl::Status HostGone() {
  return absl::UnavailableError("the connection is closed");
}

}  // namespace

Channel::Channel(int socket) : socket_(socket) {}

Channel::~Channel() {
  tls_.reset();
  close(socket_);
}

void Channel::Shutdown() {
  shutdown(socket_, SHUT_RDWR);
}

bool Channel::HasInput(absl::Duration wait) {
  if (tls_ != nullptr && SSL_pending(tls_->get()) > 0) return true;
  pollfd poller{socket_, POLLIN, 0};
  const int timeout_ms =
      wait == absl::InfiniteDuration()
          ? -1
          : static_cast<int>(std::min<std::int64_t>(absl::ToInt64Milliseconds(wait), 1 << 30));
  int ready = 0;
  do {
    ready = poll(&poller, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

absl::Status Channel::WaitReadable() {
  if (HasInput(read_timeout_)) return absl::OkStatus();
  return absl::DeadlineExceededError(
      fmt::format("nothing from the host within {}", absl::FormatDuration(read_timeout_)));
}

absl::Status Channel::Read(char* out, std::size_t length) {
  MOORING_RETURN_IF_ERROR(Flush());
  while (length > 0) {
    MOORING_RETURN_IF_ERROR(WaitReadable());
    std::size_t received = 0;
    if (tls_ != nullptr) {
      ERR_clear_error();
      if (SSL_read_ex(tls_->get(), out, length, &received) != 1) return HostGone();
    } else {
      const ssize_t result = recv(socket_, out, length, 0);
      if (result < 0 && errno == EINTR) continue;
      if (result <= 0) return HostGone();
      received = static_cast<std::size_t>(result);
    }
    out += received;
    length -= received;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Channel::ReadString(std::size_t length) {
  std::string text(length, '\0');
  MOORING_RETURN_IF_ERROR(Read(text.data(), length));
  return text;
}

absl::StatusOr<std::uint32_t> Channel::ReadBe32() {
  std::string bytes(4, '\0');
  MOORING_RETURN_IF_ERROR(Read(bytes.data(), bytes.size()));
  return LoadBe32(AsBytes(bytes), 0);
}

absl::Status Channel::Write(std::string_view bytes) {
  if (pending_.size() + bytes.size() > kGatherBytes) MOORING_RETURN_IF_ERROR(Flush());
  if (bytes.size() > kGatherBytes) return WriteNow(bytes);
  pending_.append(bytes);
  return absl::OkStatus();
}

absl::Status Channel::WriteBe32(std::uint32_t value) {
  Bytes bytes;
  AppendBe32(bytes, value);
  return Write(AsText(bytes));
}

absl::Status Channel::Flush() {
  if (pending_.empty()) return absl::OkStatus();
  std::string bytes;
  std::swap(bytes, pending_);
  const absl::Status status = WriteNow(bytes);
  bytes.clear();
  std::swap(bytes, pending_);  // Keeps the capacity.
  return status;
}

absl::Status Channel::WriteNow(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t sent = 0;
    if (tls_ != nullptr) {
      ERR_clear_error();
      if (SSL_write_ex(tls_->get(), bytes.data(), bytes.size(), &sent) != 1) return HostGone();
    } else {
      const ssize_t result = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (result < 0 && errno == EINTR) continue;
      if (result <= 0) return HostGone();
      sent = static_cast<std::size_t>(result);
    }
    bytes.remove_prefix(sent);
  }
  return absl::OkStatus();
}

absl::Status Channel::StartTls(const TlsEndpoint& endpoint) {
  MOORING_RETURN_IF_ERROR(Flush());
  auto stream = std::make_unique<TlsStream>(SSL_new(endpoint.context_.get()));
  SSL_set_fd(stream->get(), socket_);
  if (!HasInput(kHandshakeTimeout)) {
    return absl::DeadlineExceededError("the host did not begin the TLS handshake");
  }
  ERR_clear_error();
  if (SSL_accept(stream->get()) != 1) {
    char text[256] = "connection closed";
    if (const unsigned long code = ERR_get_error(); code != 0) {
      ERR_error_string_n(code, text, sizeof(text));
    }
    return absl::UnauthenticatedError(fmt::format("TLS handshake failed: {}", text));
  }
  const std::unique_ptr<X509, SslDeleter> peer(SSL_get1_peer_certificate(stream->get()));
  if (peer == nullptr || (X509_cmp(peer.get(), endpoint.host_.get()) != 0 &&
                          X509_cmp(peer.get(), endpoint.root_.get()) != 0)) {
    return absl::UnauthenticatedError("the host's certificate is not the one it paired with");
  }
  tls_ = std::move(stream);
  return absl::OkStatus();
}

absl::Status Channel::StopTls() {
  if (tls_ == nullptr) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(Flush());
  char byte = 0;
  std::size_t received = 0;
  if (!HasInput(kHandshakeTimeout)) return HostGone();
  const int result = SSL_read_ex(tls_->get(), &byte, 1, &received);
  const bool closed = result != 1 && SSL_get_error(tls_->get(), 0) == SSL_ERROR_ZERO_RETURN;
  if (!closed) return absl::InvalidArgumentError("the host did not end TLS after StopSession");
  SSL_shutdown(tls_->get());
  tls_.reset();
  return absl::OkStatus();
}

}  // namespace mooring::testing
