// Dice: a repeatable series of numbers for one purpose.

#pragma once

#include <cstdint>

#include "tests/phones/common/content.h"

namespace mooring::testing {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() { return Scramble(state_ += 0x9E3779B97F4A7C15ULL); }
  std::uint64_t Below(std::uint64_t bound) { return Next() % bound; }

 private:
  std::uint64_t state_;
};

}  // namespace mooring::testing
