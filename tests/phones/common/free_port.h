// A TCP port of the loopback interface that nobody has, for a server that a test starts.

#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "storage/base/check.h"

namespace mooring::testing {

inline std::uint16_t FreePort() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  MOORING_CHECK(bind(listener, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  MOORING_CHECK(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(listener);
  return ntohs(address.sin_port);
}

}  // namespace mooring::testing
