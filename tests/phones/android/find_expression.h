// What a command line of `find` asks for, as toybox reads it.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "tests/phones/android/shell.h"

namespace mooring::testing::android {

struct FindExpression {
  enum class Kind {
    kAnd,
    kOr,
    kNot,
    kTrue,
    kFalse,
    kType,
    kName,
    kPath,
    kNewer,
    kSize,
    kEmpty,
    kDays,
    kPrint,
    kPrint0,
    kPrintf,
    kPrune,
    kDelete,
    kExec
  };
  Kind kind = Kind::kTrue;
  std::unique_ptr<FindExpression> left = {};
  std::unique_ptr<FindExpression> right = {};
  std::string text = {};  // Pattern, types or format.
  bool ignores_case = false;
  int sign = 0;             // Of a number: -1 less, 1 more.
  std::int64_t number = 0;  // Nanoseconds, days or units of bytes.
  std::int64_t unit = 1;
  Arguments command = {};
  bool gathers = false;  // -exec ... +
  Arguments gathered = {};
};

struct FindPlan {
  std::vector<std::string> roots;
  bool follows_roots = false;  // -H, and -L.
  int depth_min = 0;
  int depth_max = 500;
  std::unique_ptr<FindExpression> expression;
};

// The error is toybox's, without its name in front. What this version of Android does not
// know is refused.
absl::StatusOr<FindPlan> ParseFind(const ShellContext& context, const Arguments& arguments);

}  // namespace mooring::testing::android
