// What this machine can do at best, measured in the same run as the code that
// is held against it. All in bytes per second of CPU time.

#pragma once

namespace mooring::testing {

struct Limits {
  double sha256 = 0;
  double aes_256_gcm = 0;
  double memory_copy = 0;  // 1 MiB pieces, cached.
  double gear = 0;         // Plain gear scan of every byte.
};

// Measures once, taking about a second.
const Limits& MeasuredLimits();

}  // namespace mooring::testing
