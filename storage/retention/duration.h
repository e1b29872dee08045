// Durations as people write them in policies and on command lines: a whole
// number and a unit, "90m", "24h", "7d", "4w", "6mo", "2y".

#pragma once

#include <string>
#include <string_view>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

namespace mooring::storage {

// Units: s, m (minutes), h, d (24 hours), w (7 days), mo (30 days), y (365
// days); a duration has no calendar. At most 100 years. kInvalidArgument
// otherwise, with the text that was given.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);

// The shortest text of one unit that ParseDuration reads back as `duration`,
// which is not negative; whole seconds, rounded down. Never in mo or y, whose
// length is only a convention.
std::string DurationText(absl::Duration duration);

}  // namespace mooring::storage
