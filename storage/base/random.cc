#include "storage/base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "storage/base/check.h"

namespace mooring {

std::uint64_t Random::Below(std::uint64_t bound) {
  MOORING_CHECK(bound > 0);
  // Values at or above the largest multiple of `bound` would favor small results.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t value = 0;
  do {
    Fill(std::as_writable_bytes(std::span(&value, 1)));
  } while (value >= limit);
  return value % bound;
}

void SystemRandom::Fill(std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    MOORING_CHECK(n > 0);
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

void SeededRandom::Fill(std::span<std::byte> out) {
  MutexLock lock(mutex_);
  while (!out.empty()) {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    const std::size_t n = out.size() < 8 ? out.size() : 8;
    std::memcpy(out.data(), &z, n);
    out = out.subspan(n);
  }
}

}  // namespace mooring
