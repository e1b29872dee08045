#include "tests/sim/memory_catalog/turns.h"

#include <utility>

#include <absl/time/time.h>

namespace mooring::testing {

void ThreadTurns::WaitForOthers(Mutex& mutex, std::stop_token stop) {
  // A wakeup between the caller's look and this wait cannot be lost: both hold
  // the mutex. The bound is for what ends a wait besides: a deadline.
  bool first = true;
  ended_.WaitFor(mutex, std::move(stop), absl::Milliseconds(50),
                 [&first] { return !std::exchange(first, false); });
}

}  // namespace mooring::testing
