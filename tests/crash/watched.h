// Watched: a step that must come to its end. If it hangs, the server that it waits for is
// killed: its calls fail, and so does the step.

#pragma once

#include <atomic>
#include <string>
#include <thread>

#include <absl/status/status.h>

#include "storage/base/clock.h"
#include "tests/crash/shipped_server.h"

namespace mooring::testing {

template <typename Body>
absl::Status Watched(ShippedServer& server, absl::Duration patience, Body body) {
  std::atomic<bool> hung = false;
  absl::Status status;
  {
    const std::jthread watch([&](const std::stop_token& stop) {
      SystemClock clock;
      if (!clock.Sleep(patience, stop)) return;
      hung = true;
      server.Kill();
    });
    status = body();
  }
  return hung ? absl::DeadlineExceededError("it hung; " + status.ToString()) : status;
}

}  // namespace mooring::testing
