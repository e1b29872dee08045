// Dice: every choice of a simulation, from its seed. Repeats itself exactly.

#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "storage/base/random.h"

namespace mooring::testing {

// SplitMix64. Not thread-safe: a simulation has one thread.
class Dice final : public Random {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}

  void Fill(std::span<std::byte> out) override {
    while (!out.empty()) {
      const std::uint64_t value = Next();
      const std::size_t n = out.size() < sizeof(value) ? out.size() : sizeof(value);
      std::memcpy(out.data(), &value, n);
      out = out.subspan(n);
    }
  }

  std::uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // In [0, bound); bound > 0. The bias of small bounds does not matter here.
  std::uint64_t Roll(std::uint64_t bound) { return Next() % bound; }
  std::uint64_t Between(std::uint64_t low, std::uint64_t high) {
    return low + Roll(high - low + 1);
  }
  bool Chance(unsigned per_mille) { return per_mille > 0 && Roll(1000) < per_mille; }

  template <typename T>
  const T& Pick(const std::vector<T>& from) {
    return from[Roll(from.size())];
  }

 private:
  std::uint64_t state_;
};

}  // namespace mooring::testing
