#include "tests/support/mini_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "storage/base/check.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kHeadBytesMax = 64 << 10;
constexpr std::size_t kBodyBytesMax = std::size_t{256} << 20;
constexpr std::size_t kConnectionsMax = 4096;

// What a connection has sent and nobody has read yet.
class Input {
 public:
  explicit Input(int fd) : fd_(fd) {}

  // Up to and with `end`; nullopt if the peer is gone or sends too much.
  std::optional<std::string> TakeThrough(std::string_view end) {
    while (true) {
      const std::size_t at = bytes_.find(end);
      if (at != std::string::npos) return Take(at + end.size());
      if (bytes_.size() > kHeadBytesMax || !Fill()) return std::nullopt;
    }
  }

  std::optional<std::string> TakeBytes(std::size_t count) {
    while (bytes_.size() < count) {
      if (!Fill()) return std::nullopt;
    }
    return Take(count);
  }

 private:
  std::string Take(std::size_t count) {
    std::string taken = bytes_.substr(0, count);
    bytes_.erase(0, count);
    return taken;
  }

  bool Fill() {
    std::string buffer(256 << 10, '\0');
    const ssize_t got = recv(fd_, buffer.data(), buffer.size(), 0);
    if (got <= 0) return false;
    bytes_.append(buffer, 0, static_cast<std::size_t>(got));
    return true;
  }

  const int fd_;
  std::string bytes_;
};

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string Trim(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::optional<MiniHttpRequest> ReadRequest(Input& input) {
  const std::optional<std::string> head = input.TakeThrough("\r\n\r\n");
  if (!head) return std::nullopt;
  MiniHttpRequest request;
  const std::size_t line_end = head->find("\r\n");
  const std::string line = head->substr(0, line_end);
  const std::size_t first = line.find(' ');
  const std::size_t second = line.rfind(' ');
  if (first == std::string::npos || second <= first) return std::nullopt;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, second - first - 1);
  for (std::size_t at = line_end + 2; at < head->size();) {
    const std::size_t end = head->find("\r\n", at);
    const std::string header = head->substr(at, end - at);
    const std::size_t colon = header.find(':');
    if (colon != std::string::npos) {
      request.headers[Lower(header.substr(0, colon))] = Trim(header.substr(colon + 1));
    }
    at = end + 2;
  }
  const auto length = request.headers.find("content-length");
  if (length == request.headers.end()) return request;
  const std::size_t bytes = std::strtoull(length->second.c_str(), nullptr, 10);
  if (bytes > kBodyBytesMax) return std::nullopt;
  std::optional<std::string> body = input.TakeBytes(bytes);
  if (!body) return std::nullopt;
  request.body = *std::move(body);
  return request;
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

MiniHttp::MiniHttp(Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  MOORING_CHECK(listener_ >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  MOORING_CHECK(bind(listener_, generic, size) == 0);
  MOORING_CHECK(listen(listener_, 128) == 0);
  MOORING_CHECK(getsockname(listener_, generic, &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { Accept(); });
}

MiniHttp::~MiniHttp() {
  std::vector<std::jthread> threads;
  {
    MutexLock lock(mutex_);
    is_stopping_ = true;
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
    threads.swap(threads_);
  }
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  threads.clear();
  close(listener_);
}

std::string MiniHttp::address() const {
  return fmt::format("127.0.0.1:{}", port_);
}

int MiniHttp::connections() {
  MutexLock lock(mutex_);
  return connections_;
}

void MiniHttp::Accept() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    MutexLock lock(mutex_);
    if (is_stopping_ || threads_.size() >= kConnectionsMax) {
      close(fd);
      continue;
    }
    ++connections_;
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { Serve(fd); });
  }
}

void MiniHttp::Serve(int fd) {
  Input input(fd);
  while (true) {
    const std::optional<MiniHttpRequest> request = ReadRequest(input);
    if (!request) break;
    const MiniHttpReply reply = handler_(*request);
    if (reply.is_stalled) {
      char byte = 0;
      while (recv(fd, &byte, 1, 0) > 0) {
      }
      break;
    }
    if (reply.is_dropped || !SendReply(fd, *request, reply)) break;
  }
  MutexLock lock(mutex_);
  open_.remove(fd);
  close(fd);
}

bool MiniHttp::SendReply(int fd, const MiniHttpRequest& request, const MiniHttpReply& reply) {
  const std::size_t length = reply.told_length.value_or(reply.body.size());
  std::string head = fmt::format("HTTP/1.1 {} Mini\r\n", reply.status);
  for (const auto& [name, value] : reply.headers) head += fmt::format("{}: {}\r\n", name, value);
  if (reply.status != 204) head += fmt::format("Content-Length: {}\r\n", length);
  head += "\r\n";
  if (!SendAll(fd, head)) return false;
  if (request.method == "HEAD") return true;
  const std::size_t count = std::min(reply.body.size(), reply.cut_after.value_or(length));
  return SendAll(fd, std::string_view(reply.body).substr(0, count)) && !reply.cut_after;
}

}  // namespace mooring::testing
