// UnixListener: a UNIX stream socket that is listened on.

#pragma once

#include <sys/types.h>
#include <sys/un.h>

#include <string>
#include <utility>

#include <absl/status/statusor.h>

namespace mooring::testing {

// kInvalidArgument: `path` is longer than a UNIX socket allows.
absl::StatusOr<sockaddr_un> UnixAddress(const std::string& path);

// Replaces what is at its path, and takes its own socket away when it goes; a
// successor's that took the path over stays. Move-only.
class UnixListener {
 public:
  static absl::StatusOr<UnixListener> Make(const std::string& path);

  UnixListener(UnixListener&& other) noexcept
      : path_(std::exchange(other.path_, {})),
        socket_(std::exchange(other.socket_, -1)),
        inode_(other.inode_) {}
  UnixListener& operator=(UnixListener&&) = delete;
  UnixListener(const UnixListener&) = delete;
  ~UnixListener();

  // The next connection, or -1 if none came within 50 ms.
  int Accept() const;

 private:
  UnixListener(std::string path, int socket) : path_(std::move(path)), socket_(socket) {}

  std::string path_;
  int socket_;
  ino_t inode_ = 0;
};

}  // namespace mooring::testing
