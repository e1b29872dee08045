// Where the adb server listens, by the switches of adb itself.

#pragma once

#include <cstdint>
#include <string>

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

namespace mooring::agent {

struct AdbAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 5037;
  // A socket of this machine instead of host and port; a leading NUL means an
  // abstract one.
  std::string local_path;

  // As ADB_SERVER_SOCKET has it, for example tcp:127.0.0.1:5037.
  std::string ToSocketSpec() const;
  bool is_local() const;
};

// From ADB_SERVER_SOCKET, else ANDROID_ADB_SERVER_PORT, else the default. `variable` is
// std::getenv. kInvalidArgument names the variable.
absl::StatusOr<AdbAddress> AdbAddressOf(absl::FunctionRef<const char*(const char*)> variable);

}  // namespace mooring::agent
