// Random: the only source of randomness. SystemRandom is fit for keys;
// SeededRandom repeats itself and exists for tests and simulation.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "storage/base/mutex.h"

namespace mooring {

// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;

  // Fills `out`. Stops the process if the system has no randomness to give:
  // no key may ever be made without it.
  virtual void Fill(std::span<std::byte> out) = 0;

  // Uniform in [0, bound); bound > 0.
  std::uint64_t Below(std::uint64_t bound);
};

// getrandom(2).
class SystemRandom final : public Random {
 public:
  void Fill(std::span<std::byte> out) override;
};

// SplitMix64 from `seed`. Never for keys that protect anything.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void Fill(std::span<std::byte> out) override;

 private:
  Mutex mutex_;
  std::uint64_t state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring
