#include "tests/crash/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <absl/strings/numbers.h>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include "storage/base/check.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kPieceBytes = 16 << 10;
constexpr int kPollMs = 50;

sockaddr_in AddressOf(const std::string& target) {
  const std::size_t colon = target.rfind(':');
  MOORING_CHECK(colon != std::string::npos);
  int port = 0;
  MOORING_CHECK(absl::SimpleAtoi(target.substr(colon + 1), &port));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  MOORING_CHECK(inet_pton(AF_INET, target.substr(0, colon).c_str(), &address.sin_addr) == 1);
  return address;
}

bool SendAll(int fd, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace

struct TcpProxy::Line {
  ~Line() {
    up.join();
    down.join();
    close(client);
    close(server);
  }
  int client = -1;
  int server = -1;
  std::atomic<bool> is_broken = false;
  std::jthread up;
  std::jthread down;
};

TcpProxy::TcpProxy(const std::string& target) : target_(target) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = AddressOf("127.0.0.1:0");
  socklen_t size = sizeof address;
  MOORING_CHECK(bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  MOORING_CHECK(listen(listener_, 64) == 0);
  MOORING_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this](const std::stop_token& stop) { Accept(stop); });
}

TcpProxy::~TcpProxy() {
  is_over_ = true;
  acceptor_.request_stop();
  acceptor_.join();
  close(listener_);
}

std::string TcpProxy::address() const {
  return fmt::format("127.0.0.1:{}", port_);
}

void TcpProxy::ResetAll() {
  MutexLock lock(mutex_);
  for (const std::unique_ptr<Line>& line : lines_) {
    // Closed with bytes unsent it is an RST; the threads see the end and leave.
    const linger none{1, 0};
    setsockopt(line->client, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    setsockopt(line->server, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    line->is_broken = true;
  }
  lines_.clear();
}

void TcpProxy::Accept(const std::stop_token& stop) {
  const sockaddr_in to = AddressOf(target_);
  while (!stop.stop_requested()) {
    pollfd ready{listener_, POLLIN, 0};
    if (poll(&ready, 1, kPollMs) <= 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(server, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      close(client);
      close(server);
      continue;
    }
    ++accepted_;
    auto line = std::make_unique<Line>();
    line->client = client;
    line->server = server;
    Line* const raw = line.get();
    raw->up = std::jthread([this, raw] { Pass(*raw, raw->client, raw->server); });
    raw->down = std::jthread([this, raw] { Pass(*raw, raw->server, raw->client); });
    MutexLock lock(mutex_);
    lines_.push_back(std::move(line));
  }
}

void TcpProxy::Pass(Line& line, int from, int to) {
  std::array<char, kPieceBytes> piece{};
  while (!line.is_broken && !is_over_) {
    pollfd ready{from, POLLIN, 0};
    if (is_stalled_) {
      absl::SleepFor(absl::Milliseconds(kPollMs));
      continue;
    }
    if (poll(&ready, 1, kPollMs) <= 0) continue;
    const ssize_t n = recv(from, piece.data(), piece.size(), 0);
    if (n <= 0) break;
    absl::SleepFor(absl::Milliseconds(delay_ms_.load()));
    if (const std::uint64_t rate = bytes_per_second_; rate > 0) {
      absl::SleepFor(absl::Seconds(static_cast<double>(n) / static_cast<double>(rate)));
    }
    if (!SendAll(to, piece.data(), static_cast<std::size_t>(n))) break;
    bytes_ += static_cast<std::uint64_t>(n);
  }
  line.is_broken = true;
  shutdown(from, SHUT_RDWR);
  shutdown(to, SHUT_RDWR);
}

}  // namespace mooring::testing
