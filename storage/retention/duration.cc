#include "storage/retention/duration.h"

#include <array>
#include <cstdint>
#include <utility>

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::storage {
namespace {

constexpr std::int64_t kDaySeconds = 24 * 60 * 60;
constexpr std::int64_t kSecondsMax = 100 * 365 * kDaySeconds;

struct Unit {
  std::string_view name;
  std::int64_t seconds;
};
constexpr std::array<Unit, 7> kUnits = {{{"s", 1},
                                         {"m", 60},
                                         {"h", 60 * 60},
                                         {"d", kDaySeconds},
                                         {"w", 7 * kDaySeconds},
                                         {"mo", 30 * kDaySeconds},
                                         {"y", 365 * kDaySeconds}}};
constexpr std::size_t kUnitsToFormat = 5;  // Up to weeks.

absl::Status Bad(std::string_view text) {
  return absl::InvalidArgumentError(fmt::format(
      "duration \"{}\": expected a whole number and one of s, m, h, d, w, mo, y, at most 100y",
      text.substr(0, 32)));
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos || digits > 10) return Bad(text);
  std::int64_t count = 0;
  if (!absl::SimpleAtoi(ToAbsl(text.substr(0, digits)), &count)) return Bad(text);
  for (const Unit& unit : kUnits) {
    if (text.substr(digits) != unit.name) continue;
    if (count > kSecondsMax / unit.seconds) return Bad(text);
    return absl::Seconds(count * unit.seconds);
  }
  return Bad(text);
}

std::string DurationText(absl::Duration duration) {
  const std::int64_t seconds = absl::ToInt64Seconds(duration);
  for (std::size_t i = kUnitsToFormat; i-- > 1;) {
    if (seconds != 0 && seconds % kUnits[i].seconds == 0) {
      return fmt::format("{}{}", seconds / kUnits[i].seconds, kUnits[i].name);
    }
  }
  return fmt::format("{}s", seconds);
}

}  // namespace mooring::storage
