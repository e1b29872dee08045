#include "storage/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace mooring {

void CheckFailed(const char* condition, const char* file, int line) {
  static_cast<void>(
      std::fprintf(stderr, "mooring: check failed: %s at %s:%d\n", condition, file, line));
  std::abort();
}

}  // namespace mooring
