#include "tests/phones/common/control_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <list>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kLineBytesMax = 64 << 10;
constexpr std::size_t kConnectionsMax = 64;
constexpr int kPollMs = 50;

bool SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

ControlServer::ControlServer(UnixListener listener, CommandFunction execute)
    : listener_(std::move(listener)), execute_(std::move(execute)) {
  acceptor_ = std::jthread([this](std::stop_token stop) { Accept(std::move(stop)); });
}

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(const std::string& path,
                                                                    CommandFunction execute) {
  MOORING_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Make(path));
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(listener), std::move(execute)));
}

void ControlServer::Accept(std::stop_token stop) {
  std::list<std::jthread> connections;  // Each ends with its client or with the server.
  while (!stop.stop_requested()) {
    const int socket = listener_.Accept();
    if (socket < 0) continue;
    if (connections.size() >= kConnectionsMax) connections.pop_front();  // Waits for the oldest.
    connections.emplace_back(
        [this, socket](std::stop_token inner) { Serve(socket, std::move(inner)); });
  }
}

void ControlServer::Serve(int socket, std::stop_token stop) {
  std::string input;
  bool is_open = true;
  while (is_open && !stop.stop_requested() && input.size() < kLineBytesMax) {
    pollfd poller{socket, POLLIN, 0};
    if (poll(&poller, 1, kPollMs) <= 0) continue;
    char buffer[4096];
    const ssize_t got = recv(socket, buffer, sizeof(buffer), 0);
    if (got <= 0) break;
    input.append(buffer, static_cast<std::size_t>(got));
    for (std::size_t end = input.find('\n'); is_open && end != std::string::npos;
         end = input.find('\n')) {
      is_open = SendAll(socket, execute_(input.substr(0, end)) + "\n");
      input.erase(0, end + 1);
    }
  }
  close(socket);
}

absl::StatusOr<std::string> SendCommand(const std::string& path, std::string_view command) {
  MOORING_ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  const int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      !SendAll(connection, std::string(command) + "\n")) {
    close(connection);
    return absl::UnavailableError(fmt::format("nobody answers on {}", path));
  }
  std::string answer;
  char buffer[64 << 10];
  while (!answer.ends_with('\n')) {
    const ssize_t got = recv(connection, buffer, sizeof(buffer), 0);
    if (got <= 0) break;
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  close(connection);
  if (!answer.ends_with('\n')) return absl::UnavailableError("the simulator hung up");
  answer.pop_back();
  return answer;
}

}  // namespace mooring::testing
