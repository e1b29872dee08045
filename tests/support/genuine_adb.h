// GenuineAdb: an adb server of Debian's on a port of its own, with a home of its
// own, for tests; gone with the object.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "agent/android/adb_server.h"
#include "storage/base/clock.h"
#include "tests/phones/common/temp_dir.h"

namespace mooring::testing {

// Sets HOME and TMPDIR of the process, so there is one at a time.
class GenuineAdb {
 public:
  // Chooses the port; starts nothing.
  explicit GenuineAdb(Clock& clock);
  ~GenuineAdb();

  // A client of it.
  agent::AdbServer& server() { return server_; }
  std::uint16_t port() const { return port_; }
  const std::string& home() const { return home_.path(); }

  // Starts it, as the agent does.
  absl::Status Start();
  // Ends it, as another version's client would.
  void Kill();

 private:
  TempDir home_;
  const std::uint16_t port_;
  agent::AdbServer server_;
};

}  // namespace mooring::testing
