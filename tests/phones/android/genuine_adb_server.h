// GenuineAdbServer: Debian's adb server for one test: a port and a home of its own, so that
// neither a developer's server nor another test notices.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "tests/phones/common/tool.h"

namespace mooring::testing::android {

// Thread-compatible. The server goes with the object, or with the thread that started it.
class GenuineAdbServer {
 public:
  // `home` is a directory; the server's key comes to lie in it.
  explicit GenuineAdbServer(std::string home);
  ~GenuineAdbServer();
  GenuineAdbServer(const GenuineAdbServer&) = delete;
  GenuineAdbServer& operator=(const GenuineAdbServer&) = delete;

  // Waits until it answers. kUnavailable: adb is not installed, or does not come up.
  absl::Status Start();
  // Kills it; Start brings up another one on the same port, with the same key.
  void Stop();

  std::uint16_t port() const { return port_; }
  // What programs need in their environment to find this server, and no other.
  std::map<std::string, std::string> environment() const;
  // Runs `adb WORDS...` in the home directory.
  ToolResult Adb(const std::vector<std::string>& words,
                 absl::Duration timeout = absl::Seconds(60)) const;

 private:
  const std::string home_;
  std::uint16_t port_ = 0;
  pid_t process_ = -1;
};

}  // namespace mooring::testing::android
