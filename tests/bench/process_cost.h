// What processes cost: CPU and memory, as proc(5) tells.

#pragma once

#include <unistd.h>

#include <vector>

namespace mooring::testing {

// CPU of this process.
double OwnCpuSeconds();

// CPU of a process alone; 0 for one that has gone.
double ProcessCpuSeconds(pid_t pid);

// CPU of a process and all below it, living and reaped.
double TreeCpuSeconds(pid_t root);

std::vector<pid_t> ChildrenOf(pid_t parent);

// Largest resident set so far; 0 for a process that has gone.
double PeakMiB(pid_t pid);

}  // namespace mooring::testing
