#include "agent/android/adb_address.h"

#include <optional>
#include <string_view>

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Room in sockaddr_un, the final NUL aside.
constexpr std::size_t kLocalPathBytesMax = 107;

std::optional<std::uint16_t> ParsePort(std::string_view text) {
  std::uint32_t port = 0;
  if (!absl::SimpleAtoi(ToAbsl(text), &port) || port == 0 || port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(port);
}

// tcp:PORT, tcp:HOST:PORT, localfilesystem:PATH, localabstract:NAME.
std::optional<AdbAddress> ParseSpec(std::string_view spec) {
  AdbAddress address;
  if (spec.starts_with("tcp:")) {
    spec.remove_prefix(4);
    const std::size_t colon = spec.rfind(':');
    if (colon != std::string_view::npos) {
      std::string_view host = spec.substr(0, colon);
      if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
      }
      if (host.empty()) return std::nullopt;
      address.host = std::string(host);
      spec.remove_prefix(colon + 1);
    }
    const auto port = ParsePort(spec);
    if (!port) return std::nullopt;
    address.port = *port;
    return address;
  }
  for (const std::string_view kind : {"localfilesystem:", "localabstract:"}) {
    if (!spec.starts_with(kind)) continue;
    spec.remove_prefix(kind.size());
    if (spec.empty() || spec.size() >= kLocalPathBytesMax) return std::nullopt;
    if (kind == "localabstract:") address.local_path.push_back('\0');
    address.local_path += spec;
    return address;
  }
  return std::nullopt;
}

}  // namespace

bool AdbAddress::is_local() const {
  return !local_path.empty() || host == "localhost" || host == "127.0.0.1" || host == "::1";
}

std::string AdbAddress::ToSocketSpec() const {
  if (local_path.starts_with('\0')) return fmt::format("localabstract:{}", local_path.substr(1));
  if (!local_path.empty()) return fmt::format("localfilesystem:{}", local_path);
  // adb takes a host for another machine's, whatever it is called.
  if (is_local()) return fmt::format("tcp:{}", port);
  return fmt::format("tcp:{}:{}", host, port);
}

absl::StatusOr<AdbAddress> AdbAddressOf(absl::FunctionRef<const char*(const char*)> variable) {
  if (const char* const spec = variable("ADB_SERVER_SOCKET"); spec != nullptr) {
    const auto address = ParseSpec(spec);
    if (address) return *address;
    return absl::InvalidArgumentError(
        "ADB_SERVER_SOCKET is not of the form tcp:HOST:PORT or localfilesystem:PATH");
  }
  AdbAddress address;
  if (const char* const text = variable("ANDROID_ADB_SERVER_PORT"); text != nullptr) {
    const auto port = ParsePort(text);
    if (!port) return absl::InvalidArgumentError("ANDROID_ADB_SERVER_PORT is not a port");
    address.port = *port;
  }
  return address;
}

}  // namespace mooring::agent
