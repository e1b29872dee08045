#include "server/config/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace mooring::server {

absl::StatusOr<StateDir> StateDir::Of(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("no state directory was named");
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return absl::InvalidArgumentError(fmt::format("{}: {}", path, error.message()));
  std::string text = absolute.lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return StateDir(std::move(text));
}

absl::StatusOr<std::unique_ptr<StateLock>> StateLock::Take(const StateDir& dir) {
  const std::string path = dir.path() + "/lock";
  const int fd = open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot open " + path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::FailedPreconditionError(
        fmt::format("another mooringd uses {}; stop it first", dir.path()));
  }
  return std::unique_ptr<StateLock>(new StateLock(fd));
}

StateLock::~StateLock() {
  close(fd_);
}

}  // namespace mooring::server
