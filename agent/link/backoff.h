// Backoff: how long to wait before asking a server again that did not answer.

#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"

namespace mooring::agent {

struct Patience {
  absl::Duration first = absl::Milliseconds(200);
  absl::Duration longest = absl::Seconds(10);
  // Without a success for this long, the error stands.
  absl::Duration total = absl::Minutes(10);
};

// Doubling waits with full jitter (a fleet must not come back in step).
// Thread-compatible.
class Backoff {
 public:
  Backoff(Clock& clock, Random& random, const Patience& patience);

  // Waits before the next try. False: patience is at its end, or stop was requested.
  bool Wait(const OpContext& ctx);
  // Something worked.
  void Reset();

 private:
  Clock& clock_;
  Random& random_;
  const Patience patience_;
  absl::Duration next_;
  absl::Duration since_;  // Monotonic time of the last success, or of the start.
};

// The server may answer the same question later: not reached, restarting, or it
// did not say in time whether it was done.
bool IsWorthRetrying(const absl::Status& status);

}  // namespace mooring::agent
