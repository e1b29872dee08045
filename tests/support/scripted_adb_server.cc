#include "tests/support/scripted_adb_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "tests/support/scripted_adb_stream.h"

namespace mooring::testing {
namespace {

constexpr int kLookMs = 20;
constexpr char kTransport[] = "host:transport-id:";

void SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool ReadAll(std::stop_token stop, int socket, char* out, std::size_t size) {
  while (size > 0) {
    pollfd ready{socket, POLLIN, 0};
    if (stop.stop_requested()) return false;
    if (poll(&ready, 1, kLookMs) <= 0) continue;
    const ssize_t count = recv(socket, out, size, 0);
    if (count <= 0) return false;
    out += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

bool ReadRequest(std::stop_token stop, int socket, std::string& request) {
  char digits[5] = {};
  if (!ReadAll(stop, socket, digits, 4)) return false;
  request.assign(std::strtoul(digits, nullptr, 16), '\0');
  return ReadAll(stop, socket, request.data(), request.size());
}

std::string Text(const std::string& text) {
  return fmt::format("{:04x}{}", text.size(), text);
}

}  // namespace

std::string ScriptedAdbServer::Okay(const std::string& text) {
  return "OKAY" + Text(text);
}
std::string ScriptedAdbServer::Fail(const std::string& text) {
  return "FAIL" + Text(text);
}

ScriptedAdbServer::ScriptedAdbServer() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  MOORING_CHECK(bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  MOORING_CHECK(listen(listener_, 16) == 0);
  MOORING_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  answers_["host:version"] = Okay("0029");
  answers_["host:host-features"] = Okay("shell_v2,stat_v2,ls_v2,cmd");
  thread_ = std::jthread([this](std::stop_token stop) { Accept(std::move(stop)); });
}

ScriptedAdbServer::~ScriptedAdbServer() {
  thread_.request_stop();
  thread_.join();
  for (std::jthread& connection : connections_) connection.request_stop();
  changed_.NotifyAll();
  connections_.clear();
  close(listener_);
}

void ScriptedAdbServer::Answer(const std::string& request, const std::string& bytes) {
  MutexLock lock(mutex_);
  answers_[request] = bytes;
}

void ScriptedAdbServer::AnswerShell(std::uint64_t transport_id, const std::string& command,
                                    const std::string& output) {
  MutexLock lock(mutex_);
  shells_[fmt::format("{} shell,v2,raw:{}", transport_id, command)] = output;
}

void ScriptedAdbServer::SetList(const std::string& list) {
  MutexLock lock(mutex_);
  list_ = list;
  ++version_;
  trackers_ = 0;
  changed_.NotifyAll();
}

void ScriptedAdbServer::DropTrackers() {
  MutexLock lock(mutex_);
  dropped_ = ++version_;
  trackers_ = 0;
  changed_.NotifyAll();
}

int ScriptedAdbServer::trackers() const {
  MutexLock lock(mutex_);
  return trackers_;
}

void ScriptedAdbServer::Accept(std::stop_token stop) {
  while (!stop.stop_requested()) {
    pollfd ready{listener_, POLLIN, 0};
    if (poll(&ready, 1, kLookMs) <= 0) continue;
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    connections_.emplace_back([this, socket](std::stop_token ended) {
      Serve(ended, socket);
      close(socket);
    });
  }
}

std::string ScriptedAdbServer::AnswerTo(const std::string& request,
                                        std::uint64_t transport_id) const {
  MutexLock lock(mutex_);
  if (request == "host:devices-l") return Okay(list_);
  const auto shell = shells_.find(fmt::format("{} {}", transport_id, request));
  if (shell != shells_.end()) {
    return "OKAY" + ShellPacket(1, shell->second) + ShellPacket(3, std::string(1, '\0'));
  }
  const auto answer = answers_.find(request);
  if (answer != answers_.end()) return answer->second;
  if (request.ends_with(":features")) return Okay("shell_v2,stat_v2,ls_v2,sendrecv_v2");
  return Fail(transport_id == 0 ? "unknown host service" : "closed");
}

void ScriptedAdbServer::Serve(std::stop_token stop, int socket) {
  std::string request;
  std::uint64_t transport_id = 0;
  while (ReadRequest(stop, socket, request)) {
    if (request == "host:track-devices-l") return Track(stop, socket);
    if (request.starts_with(kTransport)) {
      transport_id = std::strtoull(request.c_str() + sizeof(kTransport) - 1, nullptr, 10);
      SendAll(socket, "OKAY");
      continue;
    }
    return SendAll(socket, AnswerTo(request, transport_id));
  }
}

void ScriptedAdbServer::Track(std::stop_token stop, int socket) {
  SendAll(socket, "OKAY");
  std::uint64_t told = 0;
  std::uint64_t since = 0;
  while (true) {
    std::string list;
    {
      MutexLock lock(mutex_);
      if (since == 0) since = version_;
      changed_.Wait(mutex_, stop,
                    [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return version_ != told; });
      if (stop.stop_requested() || dropped_ > since) return;
      told = version_;
      list = list_;
      ++trackers_;
    }
    SendAll(socket, Text(list));
  }
}

}  // namespace mooring::testing
