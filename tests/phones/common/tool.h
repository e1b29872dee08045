// Runs genuine tools (idevicebackup2 and its family, adb, toybox) for tests.

#pragma once

#include <map>
#include <string>
#include <vector>

#include <absl/time/time.h>

namespace mooring::testing {

struct ToolResult {
  int exit_code = -1;  // -1: killed, because time was up or by a signal.
  bool timed_out = false;
  std::string output;  // stdout and stderr without progress bars; the last MiB.
};

struct ToolOptions {
  std::map<std::string, std::string> environment;  // On top of this process's own.
  std::string directory;                           // To run in; empty: this one's.
  absl::Duration timeout = absl::Seconds(60);
};

// Runs `command` to its end, or kills it when time is up.
ToolResult RunTool(const std::vector<std::string>& command, const ToolOptions& options);

}  // namespace mooring::testing
