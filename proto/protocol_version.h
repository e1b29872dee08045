// The version of the protocol between agent and server (mooring.v1).

#pragma once

#include <cstdint>

namespace mooring {

// Raised when an agent and a server could misunderstand each other.
inline constexpr std::uint32_t kProtocolVersion = 1;

// A server takes agents of its own version and of the one below: servers are
// upgraded first.
constexpr bool ServerAcceptsProtocol(std::uint32_t server, std::uint32_t agent) {
  return agent >= 1 && agent <= server && agent + 1 >= server;
}

}  // namespace mooring
