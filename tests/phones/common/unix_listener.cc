#include "tests/phones/common/unix_listener.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

constexpr int kPollMs = 50;
constexpr int kBacklog = 128;

ino_t InodeAt(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

}  // namespace

absl::StatusOr<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        fmt::format("socket path {} is longer than a UNIX socket allows", path));
  }
  path.copy(address.sun_path, path.size());
  return address;
}

absl::StatusOr<UnixListener> UnixListener::Make(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  UnixListener listener({}, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  unlink(path.c_str());
  if (listener.socket_ < 0 ||
      bind(listener.socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener.socket_, kBacklog) != 0) {
    return absl::UnavailableError(fmt::format("cannot listen on {}", path));
  }
  listener.path_ = path;
  listener.inode_ = InodeAt(path);
  return listener;
}

UnixListener::~UnixListener() {
  if (socket_ < 0) return;
  if (!path_.empty() && InodeAt(path_) == inode_) unlink(path_.c_str());
  close(socket_);
}

int UnixListener::Accept() const {
  pollfd poller{socket_, POLLIN, 0};
  if (poll(&poller, 1, kPollMs) <= 0) return -1;
  return accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
}

}  // namespace mooring::testing
