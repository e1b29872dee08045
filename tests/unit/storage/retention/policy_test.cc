#include "storage/retention/policy.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include <absl/time/civil_time.h>
#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace mooring::storage {
namespace {

absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M", text, absl::UTCTimeZone(), &time, &error)) << error;
  return time;
}

SnapshotId IdOf(std::uint64_t number) {
  SeededRandom random(number);
  return SnapshotId::Make(random);
}

DeviceId DeviceOf(std::uint64_t number) {
  SeededRandom random(number);
  return DeviceId::Make(random);
}

RetentionSnapshot Snapshot(std::uint64_t sequence, absl::Time created_at) {
  return {.id = IdOf(sequence),
          .device = DeviceOf(1),
          .lineage = 1,
          .sequence = sequence,
          .created_at = created_at};
}

std::string Joined(const RetentionMark& mark) {
  std::string text = mark.keep ? "keep" : "drop";
  for (const std::string& reason : mark.reasons) text += ", " + reason;
  return text;
}

// One line a snapshot, oldest first: its time and the verdict expected.
struct Row {
  const char* created_at;
  const char* verdict;
};

void ExpectVerdicts(const std::vector<Row>& rows, const RetentionRules& rules,
                    const std::string& now) {
  std::vector<RetentionSnapshot> snapshots;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    snapshots.push_back(Snapshot(i + 1, At(rows[i].created_at)));
  }
  const std::vector<RetentionMark> marks = Judge(snapshots, rules, At(now));
  ASSERT_EQ(marks.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(marks[i].id, snapshots[i].id);
    EXPECT_EQ(Joined(marks[i]), rows[i].verdict) << rows[i].created_at;
  }
}

TEST(RetentionTest, KeepsTheLastSoMany) {
  ExpectVerdicts({{"2026-11-01 10:00", "drop, no rule keeps it"},
                  {"2026-11-02 10:00", "drop, no rule keeps it"},
                  {"2026-11-03 10:00", "keep, keep_last 2"},
                  {"2026-11-03 11:00", "keep, keep_last 2"}},
                 {.keep_last = 2}, "2026-11-23 00:00");
}

TEST(RetentionTest, KeepsTheNewestOfEachPeriodThatHasOne) {
  ExpectVerdicts({{"2024-12-30 23:59", "keep, monthly 2024-12, yearly 2024"},
                  {"2025-06-01 12:00", "keep, weekly 2025-W22"},
                  {"2025-06-30 08:00", "drop, no rule keeps it"},
                  {"2025-06-30 11:00", "drop, no rule keeps it"},
                  {"2025-06-30 12:00", "keep, weekly 2025-W27, monthly 2025-06, yearly 2025"},
                  {"2026-11-20 08:00", "drop, no rule keeps it"},
                  {"2026-11-20 18:00", "keep, daily 2026-11-20"},
                  {"2026-11-21 18:00", "keep, daily 2026-11-21"},
                  {"2026-11-22 23:59", "keep, daily 2026-11-22, weekly 2026-W47"},
                  {"2026-11-23 00:00",
                   "keep, keep_last 1, daily 2026-11-23, weekly 2026-W48, monthly 2026-11, "
                   "yearly 2026"}},
                 {.keep_last = 1, .daily = 4, .weekly = 4, .monthly = 3, .yearly = 5},
                 "2026-11-23 12:00");
}

TEST(RetentionTest, WeeksAreIso) {
  ExpectVerdicts({{"2020-12-31 12:00", "drop, no rule keeps it"},
                  {"2021-01-03 12:00", "keep, weekly 2020-W53"},
                  {"2021-01-04 12:00", "keep, weekly 2021-W01"},
                  {"2022-01-01 12:00", "drop, no rule keeps it"},
                  {"2022-01-02 12:00", "keep, weekly 2021-W52"},
                  {"2024-12-29 12:00", "keep, weekly 2024-W52"},
                  {"2024-12-30 12:00", "keep, keep_last 1, weekly 2025-W01"}},
                 {.weekly = 10}, "2026-11-23 00:00");
}

TEST(RetentionTest, NothingYoungerThanTheMinimumAgeGoes) {
  ExpectVerdicts({{"2026-11-15 23:59", "drop, no rule keeps it"},
                  {"2026-11-16 00:00", "drop, no rule keeps it"},
                  {"2026-11-16 00:01", "keep, younger than 1w"},
                  {"2026-11-22 10:00", "keep, younger than 1w"},
                  {"2026-11-22 11:00", "keep, keep_last 1, younger than 1w"}},
                 {.minimum_age = absl::Hours(7 * 24)}, "2026-11-23 00:00");
}

TEST(RetentionTest, TheNewestStaysWhateverTheRules) {
  ExpectVerdicts({{"2001-01-01 00:00", "keep, keep_last 1"}}, {.keep_last = 0}, "2026-11-23 00:00");
}

TEST(RetentionTest, ASnapshotFromTheFutureStaysAndTakesNoPlace) {
  ExpectVerdicts({{"2026-11-20 12:00", "keep, daily 2026-11-20"},
                  {"2036-11-21 12:00", "keep, from the future"},
                  {"2026-11-22 12:00", "keep, keep_last 1, daily 2026-11-22"}},
                 {.keep_last = 1, .daily = 2}, "2026-11-23 00:00");
}

TEST(RetentionTest, AClockThatJumpsAheadDropsOnlyWhatAgeHeld) {
  std::vector<RetentionSnapshot> snapshots;
  for (std::uint64_t i = 0; i < 60; ++i) {
    snapshots.push_back(Snapshot(i + 1, At("2026-01-01 12:00") + absl::Hours(24 * i)));
  }
  const RetentionRules rules{.keep_last = 3, .daily = 7, .weekly = 4, .monthly = 12};
  const auto today = Judge(snapshots, rules, At("2026-03-02 00:00"));
  const auto in_ten_years = Judge(snapshots, rules, At("2036-03-02 00:00"));
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    EXPECT_EQ(Joined(today[i]), Joined(in_ten_years[i]));
  }
}

TEST(RetentionTest, PinnedAndHeldStayAndDevicesAndLineagesAreJudgedApart) {
  std::vector<RetentionSnapshot> snapshots = {
      Snapshot(1, At("2026-11-01 00:00")), Snapshot(2, At("2026-11-02 00:00")),
      Snapshot(3, At("2026-11-03 00:00")), Snapshot(4, At("2026-11-04 00:00")),
      Snapshot(5, At("2026-11-05 00:00"))};
  snapshots[0].is_pinned = true;
  snapshots[1].is_held = true;
  snapshots[2].lineage = 0;
  snapshots[3].device = DeviceOf(2);
  const auto marks = Judge(snapshots, {}, At("2026-11-23 00:00"));
  EXPECT_EQ(Joined(marks[0]), "keep, pinned");
  EXPECT_EQ(Joined(marks[1]), "keep, on hold");
  for (const std::size_t i : {2U, 3U, 4U}) EXPECT_EQ(Joined(marks[i]), "keep, keep_last 1");
}

// The rules once more, as a person would check them by hand: for each
// snapshot, count the periods after its own that have a snapshot.
bool NaivelyKept(const std::vector<RetentionSnapshot>& all, const RetentionSnapshot& one,
                 const RetentionRules& rules, absl::Time now) {
  if (one.is_pinned || one.is_held || one.created_at > now) return true;
  if (now - one.created_at < rules.minimum_age) return true;
  const auto is_newer = [](const RetentionSnapshot& a, const RetentionSnapshot& b) {
    return a.sequence > b.sequence;
  };
  std::uint32_t newer = 0;
  for (const RetentionSnapshot& other : all) newer += is_newer(other, one) ? 1U : 0U;
  if (newer < std::max(rules.keep_last, 1U)) return true;
  const auto day_of = [](const RetentionSnapshot& s) {
    return absl::ToCivilDay(s.created_at, absl::UTCTimeZone());
  };
  const auto monday_of = [&](const RetentionSnapshot& s) {
    absl::CivilDay day = day_of(s);
    while (absl::GetWeekday(day) != absl::Weekday::monday) --day;
    return day;
  };
  const auto kept_by = [&](std::uint32_t count, auto period_of) {
    std::set<decltype(period_of(one))> later;
    for (const RetentionSnapshot& other : all) {
      if (other.created_at > now) continue;
      if (period_of(other) == period_of(one) && is_newer(other, one)) return false;
      if (period_of(other) > period_of(one)) later.insert(period_of(other));
    }
    return later.size() < count;
  };
  return kept_by(rules.daily, day_of) || kept_by(rules.weekly, monday_of) ||
         kept_by(rules.monthly, [&](const auto& s) { return absl::CivilMonth(day_of(s)); }) ||
         kept_by(rules.yearly, [&](const auto& s) { return absl::CivilYear(day_of(s)); });
}

TEST(RetentionTest, AgreesWithTheNaiveJudgeOnRandomHistories) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SeededRandom random(seed);
    const absl::Time start = At("2019-12-25 00:00");
    const absl::Time now = start + absl::Hours(24 * (10 + random.Below(2500)));
    std::vector<RetentionSnapshot> snapshots;
    const std::uint64_t count = 1 + random.Below(60);
    absl::Time at = start;
    for (std::uint64_t i = 0; i < count; ++i) {
      at += absl::Minutes(random.Below(60 * 24 * (1 + random.Below(60))));
      // Now and then the clock was wrong.
      const absl::Time created =
          random.Below(20) == 0 ? start + absl::Hours(random.Below(24 * 4000)) : at;
      snapshots.push_back(Snapshot(i + 1, created));
      snapshots.back().is_pinned = random.Below(30) == 0;
      snapshots.back().is_held = random.Below(30) == 0;
    }
    const RetentionRules rules{.keep_last = static_cast<std::uint32_t>(random.Below(5)),
                               .daily = static_cast<std::uint32_t>(random.Below(8)),
                               .weekly = static_cast<std::uint32_t>(random.Below(6)),
                               .monthly = static_cast<std::uint32_t>(random.Below(6)),
                               .yearly = static_cast<std::uint32_t>(random.Below(4)),
                               .minimum_age = absl::Hours(random.Below(24 * 20))};
    const std::vector<RetentionMark> marks = Judge(snapshots, rules, now);
    bool is_newest_kept = false;
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
      EXPECT_EQ(marks[i].keep, NaivelyKept(snapshots, snapshots[i], rules, now))
          << "seed " << seed << ", snapshot " << i << ": " << Joined(marks[i]);
      EXPECT_FALSE(marks[i].reasons.empty());
      if (i + 1 == snapshots.size()) is_newest_kept = marks[i].keep;
    }
    EXPECT_TRUE(is_newest_kept);
  }
}

TEST(RetentionTest, DroppingWhatIsMarkedChangesNoVerdictOnTheRest) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SeededRandom random(seed);
    std::vector<RetentionSnapshot> snapshots;
    absl::Time at = At("2024-01-01 00:00");
    for (std::uint64_t i = 0; i < 80; ++i) {
      at += absl::Hours(1 + random.Below(72));
      snapshots.push_back(Snapshot(i + 1, at));
    }
    const RetentionRules rules{.keep_last = 3, .daily = 7, .weekly = 4, .monthly = 6};
    const auto marks = Judge(snapshots, rules, at + absl::Hours(1));
    std::vector<RetentionSnapshot> kept;
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
      if (marks[i].keep) kept.push_back(snapshots[i]);
    }
    for (const RetentionMark& mark : Judge(kept, rules, at + absl::Hours(1))) {
      EXPECT_TRUE(mark.keep) << "seed " << seed;
    }
  }
}

TEST(RetentionTest, ASectionLeftOutKeepsEverything) {
  v1::Retention retention;
  EXPECT_FALSE(*RulesOf(retention));
  retention.set_minimum_age("7d");
  EXPECT_FALSE(*RulesOf(retention)) << "an age alone says what must stay, not what may go";
  retention.set_daily(7);
  ASSERT_TRUE(*RulesOf(retention));
  EXPECT_EQ((*RulesOf(retention))->minimum_age, absl::Hours(168));
  retention.set_minimum_age("soon");
  const absl::Status bad = RulesOf(retention).status();
  EXPECT_TRUE(absl::IsInvalidArgument(bad));
  EXPECT_NE(bad.ToString().find("retention.minimum_age"), std::string::npos) << bad;
}

}  // namespace
}  // namespace mooring::storage
