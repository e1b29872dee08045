#include "tests/phones/android/adb_server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace mooring::testing::android {
namespace {

constexpr std::size_t kAnswerMax = 64 << 10;
constexpr timeval kTimeout = {.tv_sec = 15, .tv_usec = 0};  // Longer than adb tries to connect.

}  // namespace

absl::StatusOr<std::string> AskAdbServer(std::uint16_t port, std::string_view request) {
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &kTimeout, sizeof(kTimeout));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string message = fmt::format("{:04x}{}", request.size(), request);
  std::string answer;
  if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      send(server, message.data(), message.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(message.size())) {
    char buffer[4096];
    for (ssize_t got = recv(server, buffer, sizeof(buffer), 0);
         got > 0 && answer.size() < kAnswerMax; got = recv(server, buffer, sizeof(buffer), 0)) {
      answer.append(buffer, static_cast<std::size_t>(got));
    }
  }
  close(server);
  if (answer.size() < 8) return absl::UnavailableError("no adb server answers");
  return answer.substr(8);
}

}  // namespace mooring::testing::android
