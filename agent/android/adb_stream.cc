#include "agent/android/adb_stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include <absl/strings/match.h>
#include <fmt/format.h>
#include <netdb.h>

#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 10;
// Reads at least this long bypass the buffer.
constexpr std::size_t kDirectBytes = std::size_t{16} << 10;
// Longest request that the server takes.
constexpr std::size_t kRequestBytesMax = 0xffff;

absl::Status NotReached(const AdbAddress& address, int error) {
  return absl::UnavailableError(ToAbsl(fmt::format(
      "no adb server at {}: {}", address.ToSocketSpec(), std::generic_category().message(error))));
}

// One address to try; of another machine's names the first that resolves.
struct Target {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

absl::StatusOr<Target> Resolve(const AdbAddress& address) {
  Target target;
  if (!address.local_path.empty()) {
    auto& local = reinterpret_cast<sockaddr_un&>(target.storage);
    local.sun_family = AF_UNIX;
    if (address.local_path.size() >= sizeof(local.sun_path)) {
      return absl::InvalidArgumentError("the path of the adb server's socket is too long");
    }
    std::memcpy(local.sun_path, address.local_path.data(), address.local_path.size());
    const bool is_abstract = address.local_path.front() == '\0';
    target.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                         address.local_path.size() + (is_abstract ? 0 : 1));
    return target;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  // adb itself listens on 127.0.0.1 alone.
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  const int error = getaddrinfo(host.c_str(), fmt::to_string(address.port).c_str(), &hints, &found);
  if (error != 0 || found == nullptr) {
    return absl::UnavailableError(ToAbsl(
        fmt::format("no adb server at {}: {}", address.ToSocketSpec(), gai_strerror(error))));
  }
  std::memcpy(&target.storage, found->ai_addr, found->ai_addrlen);
  target.size = found->ai_addrlen;
  freeaddrinfo(found);
  return target;
}

bool WouldBlock(ssize_t result) {
  return result < 0 && (errno == EAGAIN || errno == EINTR);
}

// What the server says may quote a phone: shortened and made plain.
std::string Plain(std::string_view text) {
  constexpr std::size_t kTextBytesMax = 200;
  std::string plain;
  for (const char c : text.substr(0, std::min(text.find('\n'), kTextBytesMax))) {
    const auto byte = static_cast<unsigned char>(c);
    plain.push_back(byte < 0x20 || byte > 0x7e ? '?' : c);
  }
  return plain;
}

}  // namespace

absl::Status AdbClosed() {
  return Failure(absl::StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED,
                 "the connection to the phone ended",
                 "Check the cable and plug the phone in again");
}

absl::Status AdbProtocolError(std::string_view what) {
  return Failure(absl::StatusCode::kInvalidArgument, v1::CAUSE_PROTOCOL_ERROR,
                 fmt::format("the phone sent something that is not allowed: {}", what),
                 "Restart the phone and try again; tell the administrator if it happens again");
}

absl::Status AdbStream::Read(const OpContext& ctx, std::span<std::byte> out) {
  while (!out.empty()) {
    MOORING_ASSIGN_OR_RETURN(const std::size_t count, ReadSome(ctx, out));
    if (count == 0) return AdbClosed();
    out = out.subspan(count);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<AdbSocket>> AdbSocket::Connect(const OpContext& ctx, Clock& clock,
                                                              const AdbAddress& address,
                                                              const Patience& patience,
                                                              QuietListener listener) {
  MOORING_ASSIGN_OR_RETURN(const Target target, Resolve(address));
  const int fd = socket(target.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return NotReached(address, errno);
  std::unique_ptr<AdbSocket> made(new AdbSocket(clock, fd, patience));
  made->wait_.SetQuietListener(std::move(listener));
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(fd, reinterpret_cast<const sockaddr*>(&target.storage), target.size) == 0) {
    return made;
  }
  if (errno != EINPROGRESS) return NotReached(address, errno);
  SocketWait wait(clock, fd, patience.connect, "adb server");
  wait.Restart();
  const absl::Status ready = wait.Await(ctx, {.reading = false, .writing = true});
  if (absl::IsDeadlineExceeded(ready)) return NotReached(address, ETIMEDOUT);
  MOORING_RETURN_IF_ERROR(ready);
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return NotReached(address, error);
  return made;
}

AdbSocket::AdbSocket(Clock& clock, int socket, const Patience& patience)
    : socket_(socket), wait_(clock, socket, patience.silence, "phone"), buffer_(kBufferBytes) {}

AdbSocket::~AdbSocket() {
  close(socket_);
}

absl::StatusOr<std::size_t> AdbSocket::ReadSome(const OpContext& ctx, std::span<std::byte> out) {
  if (out.empty()) return std::size_t{0};
  MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
  if (has_buffered()) {
    const std::size_t count = std::min(out.size(), buffer_end_ - buffer_at_);
    std::memcpy(out.data(), buffer_.data() + buffer_at_, count);
    buffer_at_ += count;
    return count;
  }
  const bool direct = out.size() >= kDirectBytes;
  const std::span<std::byte> into = direct ? out : std::span<std::byte>(buffer_);
  wait_.Restart();
  while (true) {
    const ssize_t result = recv(socket_, into.data(), into.size(), 0);
    if (WouldBlock(result)) {
      MOORING_RETURN_IF_ERROR(wait_.Await(ctx, {.reading = true, .writing = false}));
      continue;
    }
    if (result <= 0) return std::size_t{0};
    if (direct) return static_cast<std::size_t>(result);
    buffer_at_ = 0;
    buffer_end_ = static_cast<std::size_t>(result);
    return ReadSome(ctx, out);
  }
}

absl::StatusOr<std::size_t> AdbSocket::WriteOrHear(const OpContext& ctx, ByteView bytes) {
  if (has_buffered()) return std::size_t{0};
  wait_.Restart();
  while (true) {
    std::byte next{};
    if (!WouldBlock(recv(socket_, &next, 1, MSG_PEEK))) return std::size_t{0};
    const ssize_t result = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (result > 0) return static_cast<std::size_t>(result);
    if (!WouldBlock(result)) return AdbClosed();
    MOORING_RETURN_IF_ERROR(wait_.Await(ctx, {.reading = true, .writing = true}));
  }
}

absl::Status AdbSocket::Write(const OpContext& ctx, ByteView bytes) {
  MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
  wait_.Restart();
  while (!bytes.empty()) {
    const ssize_t result = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (result > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(result));
      wait_.Restart();
    } else if (WouldBlock(result)) {
      MOORING_RETURN_IF_ERROR(wait_.Await(ctx, {.reading = false, .writing = true}));
    } else {
      return AdbClosed();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadAdbText(const OpContext& ctx, AdbStream& stream) {
  std::array<std::byte, 4> digits{};
  MOORING_RETURN_IF_ERROR(stream.Read(ctx, digits));
  const std::string_view text = AsText(digits);
  std::size_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length, 16);
  if (error != std::errc() || end != text.data() + text.size()) {
    return AdbProtocolError("a length that is none");
  }
  std::string answer(length, '\0');
  MOORING_RETURN_IF_ERROR(
      stream.Read(ctx, std::as_writable_bytes(std::span<char>(answer.data(), answer.size()))));
  return answer;
}

absl::Status AskAdb(const OpContext& ctx, AdbStream& stream, std::string_view request) {
  if (request.size() > kRequestBytesMax) {
    return absl::InvalidArgumentError("a command for the phone is too long");
  }
  MOORING_RETURN_IF_ERROR(
      stream.Write(ctx, AsBytes(fmt::format("{:04x}{}", request.size(), request))));
  std::array<std::byte, 4> word{};
  MOORING_RETURN_IF_ERROR(stream.Read(ctx, word));
  if (AsText(word) == "OKAY") return absl::OkStatus();
  if (AsText(word) != "FAIL") return AdbProtocolError("an answer that is neither yes nor no");
  MOORING_ASSIGN_OR_RETURN(const std::string why, ReadAdbText(ctx, stream));
  return AdbRefusal(why);
}

absl::Status AdbRefusal(std::string_view text) {
  const auto says = [text](std::string_view word) {
    return absl::StrContains(ToAbsl(text), ToAbsl(word));
  };
  const std::string message = fmt::format("adb: {}", Plain(text));
  if (says("unauthorized") || says("authorizing")) {
    return Failure(absl::StatusCode::kPermissionDenied, v1::CAUSE_TRUST_PENDING,
                   "the phone does not allow this computer",
                   "Unlock the phone and tap Allow where it asks about USB debugging");
  }
  if (says("unknown host service")) return absl::UnimplementedError(ToAbsl(message));
  if (says("not found") || says("no device") || says("offline") || says("closed") ||
      says("connecting")) {
    return Failure(absl::StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED, message,
                   "Check the cable and plug the phone in again");
  }
  return Failure(absl::StatusCode::kUnavailable, v1::CAUSE_PHONE_ERROR, message,
                 "Unplug the phone, plug it in again, and try again");
}

}  // namespace mooring::agent
