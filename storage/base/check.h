// MOORING_CHECK(condition): stops the process when one of our own invariants
// is broken. On in release builds. Never for input, files, rows, the network
// or a phone: those get a Status.

#pragma once

namespace mooring {

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace mooring

#define MOORING_CHECK(condition) \
  ((condition) ? void(0) : ::mooring::CheckFailed(#condition, __FILE__, __LINE__))
