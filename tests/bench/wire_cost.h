// What it costs to upload and to commit, apart from everything before: content is
// sealed beforehand and kept in memory, then sent to a server over mutual TLS.

#pragma once

#include <cstdint>

#include <absl/status/statusor.h>

#include "tests/support/synthetic_engine.h"

namespace mooring::testing {

// Seconds. "agent" is this process, "server" mooringd and its PostgreSQL.
struct WireCost {
  std::uint64_t bytes = 0;  // Sealed and sent.
  double upload_wall = 0;
  double upload_agent_cpu = 0;
  double upload_server_cpu = 0;
  double commit_wall = 0;
  double commit_agent_cpu = 0;
  double commit_server_cpu = 0;
};

// Starts a server of its own. The phone's content must fit in memory.
absl::StatusOr<WireCost> MeasureWire(const SyntheticPhone& phone);

}  // namespace mooring::testing
