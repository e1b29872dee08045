#include "agent/desk/desk_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

using session::v1::DeskRequest;
using session::v1::DeskResponse;

absl::Status Failed(const std::string& path, std::string_view what) {
  return absl::UnavailableError(
      ToAbsl(fmt::format("{}: {}: {}", path, what, std::generic_category().message(errno))));
}

absl::StatusOr<sockaddr_un> Address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(ToAbsl(fmt::format(
        "{}: longer than a socket's name may be ({} bytes); choose a shorter state directory", path,
        sizeof(address.sun_path) - 1)));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* AsSockaddr(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

absl::StatusOr<StateLock> StateLock::Take(const std::string& state_directory) {
  const std::string path = state_directory + "/agent.lock";
  OwnedFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return Failed(path, "open");
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::AlreadyExistsError(
        ToAbsl(fmt::format("another mooring-agent runs with {}", state_directory)));
  }
  return StateLock(std::move(fd));
}

absl::StatusOr<std::unique_ptr<DeskServer>> DeskServer::Start(const std::string& path,
                                                              DeskHandler handler) {
  MOORING_ASSIGN_OR_RETURN(const sockaddr_un address, Address(path));
  OwnedFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener.valid()) return Failed(path, "socket");
  unlink(path.c_str());
  const mode_t before = umask(0177);
  const int bound = bind(listener.get(), AsSockaddr(address), sizeof(address));
  umask(before);
  if (bound != 0 || listen(listener.get(), 8) != 0) return Failed(path, "listen");
  return std::unique_ptr<DeskServer>(new DeskServer(path, std::move(listener), std::move(handler)));
}

DeskServer::DeskServer(std::string path, OwnedFd listener, DeskHandler handler)
    : path_(std::move(path)),
      listener_(std::move(listener)),
      handler_(std::move(handler)),
      acceptor_([this] { Accept(); }) {}

DeskServer::~DeskServer() {
  shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    MutexLock lock(mutex_);
    closing_ = true;
    for (Connection& connection : connections_) {
      connection.thread.request_stop();
      connection.pipe->Shutdown();
    }
  }
  connections_.clear();  // Joins; nobody adds any more.
  unlink(path_.c_str());
}

void DeskServer::Accept() {
  for (;;) {
    OwnedFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;  // Shut down.
    }
    auto pipe = std::make_unique<MessagePipe>(std::move(fd));
    const absl::StatusOr<unsigned> peer = pipe->PeerUser();
    if (!peer.ok() || (*peer != 0 && *peer != geteuid())) continue;
    MutexLock lock(mutex_);
    Reap();
    if (connections_.size() >= kConnectionsMax) continue;
    Connection& connection = connections_.emplace_back();
    connection.pipe = std::move(pipe);
    connection.thread = std::jthread(
        [this, &connection](std::stop_token stop) { ServeOne(std::move(stop), connection); });
  }
}

void DeskServer::Reap() {
  for (auto it = connections_.begin(); it != connections_.end();) {
    it = it->over ? connections_.erase(it) : std::next(it);
  }
}

void DeskServer::ServeOne(std::stop_token stop, Connection& connection) {
  OpContext ctx;
  ctx.stop = std::move(stop);
  DeskRequest request;
  if (connection.pipe->Receive(request).ok()) {
    handler_(ctx, request,
             [&](const DeskResponse& response) { return connection.pipe->Send(response); });
  }
  connection.pipe->Shutdown();
  MutexLock lock(mutex_);
  connection.over = true;
}

absl::Status AskDesk(const std::string& path, const DeskRequest& request,
                     absl::FunctionRef<void(const DeskResponse&)> receive) {
  MOORING_ASSIGN_OR_RETURN(const sockaddr_un address, Address(path));
  OwnedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() || connect(fd.get(), AsSockaddr(address), sizeof(address)) != 0) {
    return Failed(path, "no agent runs here");
  }
  MessagePipe pipe(std::move(fd));
  MOORING_RETURN_IF_ERROR(pipe.Send(request));
  bool answered = false;
  for (;;) {
    DeskResponse response;
    const absl::Status received = pipe.Receive(response);
    if (absl::IsUnavailable(received) && answered) return absl::OkStatus();
    if (absl::IsUnavailable(received)) {
      return absl::AbortedError("the running agent ended without an answer");
    }
    MOORING_RETURN_IF_ERROR(received);
    answered = !response.has_progress();
    receive(response);
  }
}

}  // namespace mooring::agent
