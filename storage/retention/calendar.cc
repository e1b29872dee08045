#include "storage/retention/calendar.h"

#include <absl/time/civil_time.h>
#include <fmt/format.h>

namespace mooring::storage {
namespace {

absl::CivilDay DayOf(absl::Time time) {
  return absl::ToCivilDay(time, absl::UTCTimeZone());
}

absl::CivilDay ThursdayOf(absl::CivilDay day) {
  const int since_monday = static_cast<int>(absl::GetWeekday(day));
  return day - since_monday + 3;
}

}  // namespace

std::int64_t PeriodNumber(Period period, absl::Time time) {
  const absl::CivilDay day = DayOf(time);
  switch (period) {
    case Period::kDay:
      return day - absl::CivilDay();
    case Period::kWeek:
      return ThursdayOf(day) - absl::CivilDay();
    case Period::kMonth:
      return absl::CivilMonth(day) - absl::CivilMonth();
    case Period::kYear:
      return day.year();
  }
  return 0;
}

std::string PeriodName(Period period, absl::Time time) {
  const absl::CivilDay day = DayOf(time);
  switch (period) {
    case Period::kDay:
      return fmt::format("{:04}-{:02}-{:02}", day.year(), day.month(), day.day());
    case Period::kWeek: {
      const absl::CivilDay thursday = ThursdayOf(day);
      return fmt::format("{:04}-W{:02}", thursday.year(), (absl::GetYearDay(thursday) - 1) / 7 + 1);
    }
    case Period::kMonth:
      return fmt::format("{:04}-{:02}", day.year(), day.month());
    case Period::kYear:
      return fmt::format("{:04}", day.year());
  }
  return "";
}

}  // namespace mooring::storage
