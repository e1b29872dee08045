// Periods of retention: the UTC day, ISO week, month and year that a time is in.

#pragma once

#include <cstdint>
#include <string>

#include <absl/time/time.h>

namespace mooring::storage {

enum class Period { kDay, kWeek, kMonth, kYear };

// A number that all times of one period share, and that grows with time.
std::int64_t PeriodNumber(Period period, absl::Time time);

// "2026-11-23", "2026-W48" (ISO 8601: a week belongs to the year that its Thursday
// is in), "2026-11", "2026".
std::string PeriodName(Period period, absl::Time time);

}  // namespace mooring::storage
