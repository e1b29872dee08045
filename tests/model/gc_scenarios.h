// The worlds that are explored, and the protocols that must fail in them.

#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "tests/model/gc_protocol.h"

namespace mooring::model {

struct Scenario {
  std::string_view name;
  std::string_view what;
  Bounds bounds;
  std::uint64_t goals = 0;       // All of them must be reached.
  std::size_t states_floor = 0;  // Fewer: the model has lost something.
  bool is_long = false;          // Not in CI.
};

struct BrokenVariant {
  std::string_view name;
  std::string_view scenario;
  std::uint64_t variants = 0;
  std::string_view breaks;  // What its violation must say.
};

// A safeguard that another one covers, or that is there for progress: without
// it nothing may break, and the text says so.
struct SpareVariant {
  std::string_view name;
  std::string_view scenario;
  std::uint64_t variants = 0;
  bool is_long = false;  // Not in CI.
};

const std::vector<Scenario>& Scenarios();
const std::vector<BrokenVariant>& BrokenVariants();
const std::vector<SpareVariant>& SpareVariants();

// Null: no scenario of that name.
const Scenario* FindScenario(std::string_view name);

}  // namespace mooring::model
