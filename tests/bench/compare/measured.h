// Measured: what a step cost, of one program or of several that work together.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace mooring::testing {

struct StepCost {
  bool ran = false;
  double wall_seconds = 0;
  double cpu_seconds = 0;          // Of everything that took part.
  double peak_mib = 0;             // Largest resident set of the side that reads or writes files.
  std::uint64_t stored_bytes = 0;  // In the repository after the step.
};

// Runs a program to its end. It ends this process with its output where it fails:
// a benchmark of what does not work says nothing.
StepCost RunMeasured(const std::vector<std::string>& argv,
                     const std::map<std::string, std::string>& environment);

// Bytes of all files below.
std::uint64_t BytesBelow(const std::string& directory);

}  // namespace mooring::testing
