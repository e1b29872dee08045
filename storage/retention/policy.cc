#include "storage/retention/policy.h"

#include <algorithm>
#include <map>
#include <utility>

#include <absl/time/civil_time.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/retention/duration.h"

namespace mooring::storage {
namespace {

std::string DayOf(absl::CivilDay day) {
  return fmt::format("{:04}-{:02}-{:02}", day.year(), day.month(), day.day());
}

// ISO 8601: a week belongs to the year that its Thursday is in.
std::string WeekOf(absl::CivilDay day) {
  const int since_monday = static_cast<int>(absl::GetWeekday(day));
  const absl::CivilDay thursday = day - since_monday + 3;
  return fmt::format("{:04}-W{:02}", thursday.year(), (absl::GetYearDay(thursday) - 1) / 7 + 1);
}

std::string MonthOf(absl::CivilDay day) {
  return fmt::format("{:04}-{:02}", day.year(), day.month());
}

std::string YearOf(absl::CivilDay day) {
  return fmt::format("{:04}", day.year());
}

struct Period {
  const char* name;
  std::string (*of)(absl::CivilDay);
  std::uint32_t RetentionRules::*count;
};
constexpr Period kPeriods[] = {{"daily", DayOf, &RetentionRules::daily},
                               {"weekly", WeekOf, &RetentionRules::weekly},
                               {"monthly", MonthOf, &RetentionRules::monthly},
                               {"yearly", YearOf, &RetentionRules::yearly}};

// Indexes of one device's lineage, newest first.
using Lineage = std::vector<std::size_t>;

void Keep(RetentionMark& mark, std::string reason) {
  mark.keep = true;
  mark.reasons.push_back(std::move(reason));
}

void JudgePeriod(const std::vector<RetentionSnapshot>& snapshots, const Lineage& lineage,
                 const Period& period, std::uint32_t count, std::vector<RetentionMark>& marks) {
  if (count == 0) return;
  // The newest of each period; lineage is newest first, so the first one to come stays.
  std::map<std::string, std::size_t, std::greater<>> newest;
  for (const std::size_t i : lineage) {
    newest.emplace(period.of(absl::ToCivilDay(snapshots[i].created_at, absl::UTCTimeZone())), i);
  }
  for (const auto& [name, i] : newest) {
    if (count-- == 0) return;
    Keep(marks[i], fmt::format("{} {}", period.name, name));
  }
}

void JudgeLineage(const std::vector<RetentionSnapshot>& snapshots, Lineage lineage,
                  const RetentionRules& rules, absl::Time now, std::vector<RetentionMark>& marks) {
  std::sort(lineage.begin(), lineage.end(), [&](std::size_t a, std::size_t b) {
    if (snapshots[a].sequence != snapshots[b].sequence) {
      return snapshots[a].sequence > snapshots[b].sequence;
    }
    return snapshots[b].id < snapshots[a].id;
  });
  const std::uint32_t keep_last = std::max(rules.keep_last, 1U);
  for (std::size_t n = 0; n < lineage.size() && n < keep_last; ++n) {
    Keep(marks[lineage[n]], fmt::format("keep_last {}", keep_last));
  }
  Lineage past;
  for (const std::size_t i : lineage) {
    if (snapshots[i].created_at > now) {
      Keep(marks[i], "from the future");
    } else {
      past.push_back(i);
    }
  }
  for (const Period& period : kPeriods) {
    JudgePeriod(snapshots, past, period, rules.*period.count, marks);
  }
  for (const std::size_t i : past) {
    if (now - snapshots[i].created_at < rules.minimum_age) {
      Keep(marks[i], fmt::format("younger than {}", DurationText(rules.minimum_age)));
    }
  }
}

}  // namespace

absl::StatusOr<std::optional<RetentionRules>> RulesOf(const v1::Retention& retention) {
  RetentionRules rules{.keep_last = retention.keep_last(),
                       .daily = retention.daily(),
                       .weekly = retention.weekly(),
                       .monthly = retention.monthly(),
                       .yearly = retention.yearly()};
  if (!retention.minimum_age().empty()) {
    absl::StatusOr<absl::Duration> age = ParseDuration(retention.minimum_age());
    if (!age.ok()) return Annotate(age.status(), "retention.minimum_age");
    rules.minimum_age = *age;
  }
  const bool counts_any = rules.keep_last > 0 || rules.daily > 0 || rules.weekly > 0 ||
                          rules.monthly > 0 || rules.yearly > 0;
  if (!counts_any) return std::nullopt;
  return rules;
}

std::vector<RetentionMark> Judge(const std::vector<RetentionSnapshot>& snapshots,
                                 const RetentionRules& rules, absl::Time now) {
  std::vector<RetentionMark> marks;
  marks.reserve(snapshots.size());
  std::map<std::pair<DeviceId, std::uint32_t>, Lineage> lineages;
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    marks.push_back({.id = snapshots[i].id, .keep = false, .reasons = {}});
    lineages[{snapshots[i].device, snapshots[i].lineage}].push_back(i);
  }
  for (auto& [name, lineage] : lineages) {
    JudgeLineage(snapshots, std::move(lineage), rules, now, marks);
  }
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    if (snapshots[i].is_pinned) Keep(marks[i], "pinned");
    if (snapshots[i].is_held) Keep(marks[i], "on hold");
    if (marks[i].reasons.empty()) marks[i].reasons.push_back("no rule keeps it");
  }
  return marks;
}

}  // namespace mooring::storage
