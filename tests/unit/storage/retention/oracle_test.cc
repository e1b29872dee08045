// Retention against an independent judge, on random histories of phones: the rules
// by brute force, each snapshot by itself, with a calendar of its own. The seed is
// printed; MOORING_SEED=N runs that one again.

#include <cstdlib>
#include <iostream>
#include <set>
#include <vector>

#include <absl/strings/numbers.h>
#include <gtest/gtest.h>

#include "storage/base/random.h"
#include "storage/retention/policy.h"
#include "tests/unit/storage/retention/test_facts.h"

namespace mooring::storage {
namespace {

constexpr int kCases = 2000;
constexpr std::int64_t kDay = 86'400;

std::int64_t FloorDiv(std::int64_t a, std::int64_t b) {
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}

bool IsLeap(std::int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

// Year and month by walking from 1970.
std::pair<std::int64_t, std::int64_t> MonthOf(std::int64_t seconds) {
  static constexpr std::int64_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  std::int64_t days = FloorDiv(seconds, kDay);
  std::int64_t year = 1970;
  while (days >= (IsLeap(year) ? 366 : 365)) days -= IsLeap(year++) ? 366 : 365;
  std::int64_t month = 0;
  for (; month < 12; ++month) {
    const std::int64_t length = kDays[month] + (month == 1 && IsLeap(year) ? 1 : 0);
    if (days < length) break;
    days -= length;
  }
  return {year, month};
}

// 0 day, 1 week (1970-01-01 was a Thursday), 2 month, 3 year.
std::int64_t PeriodOf(int kind, std::int64_t seconds) {
  if (kind == 0) return FloorDiv(seconds, kDay);
  if (kind == 1) return FloorDiv(FloorDiv(seconds, kDay) + 3, 7);
  const auto [year, month] = MonthOf(seconds);
  return kind == 2 ? year * 12 + month : year;
}

// One case: the input and the plain numbers that it was made from.
struct Case {
  v1::RetentionInput input;
  std::uint64_t minimum_age_hours = 0;
  std::set<std::string> protected_ids;
};

std::int64_t SecondsOf(const google::protobuf::Timestamp& time) {
  return time.seconds();
}

bool TakesNoPlace(const Case& c, const v1::SnapshotFacts& s) {
  return SecondsOf(s.created_at()) > SecondsOf(c.input.as_of()) || s.damaged_chunks() > 0;
}

bool SameLineage(const v1::SnapshotFacts& a, const v1::SnapshotFacts& b) {
  return a.lineage() == b.lineage();
}

// The snapshot that this capture is kept in: no other of the lineage that holds it,
// and takes a place, is older.
bool IsHome(const Case& c, const v1::SnapshotFacts& s, const v1::CaptureFacts& capture) {
  if (TakesNoPlace(c, s)) return false;
  for (const v1::SnapshotFacts& other : c.input.snapshots()) {
    if (!SameLineage(other, s) || other.sequence() >= s.sequence() || TakesNoPlace(c, other)) {
      continue;
    }
    for (const v1::CaptureFacts& one : other.captures()) {
      if (one.kind() == capture.kind() && one.session_id() == capture.session_id()) return false;
    }
  }
  return true;
}

// Calls `visit` with every capture of that kind of the lineage, at its home.
template <typename Visit>
void EachHome(const Case& c, const v1::SnapshotFacts& of, v1::CaptureKind kind, Visit visit) {
  for (const v1::SnapshotFacts& other : c.input.snapshots()) {
    if (!SameLineage(other, of)) continue;
    for (const v1::CaptureFacts& one : other.captures()) {
      if (one.kind() == kind && IsHome(c, other, one)) visit(other, one);
    }
  }
}

bool KeptForCapture(const Case& c, const v1::SnapshotFacts& s, const v1::CaptureFacts& capture) {
  if (!IsHome(c, s, capture)) return false;
  const v1::Retention& rules = c.input.rules();
  std::uint32_t newer = 0;
  EachHome(c, s, capture.kind(), [&](const v1::SnapshotFacts& other, const v1::CaptureFacts&) {
    if (other.sequence() > s.sequence()) ++newer;
  });
  if (newer == 0 || newer < rules.keep_last()) return true;
  const std::uint32_t counts[] = {rules.daily(), rules.weekly(), rules.monthly(), rules.yearly()};
  for (int kind = 0; kind < 4; ++kind) {
    const std::int64_t own = PeriodOf(kind, SecondsOf(capture.completed_at()));
    bool is_newest = true;
    std::set<std::int64_t> later;
    EachHome(c, s, capture.kind(),
             [&](const v1::SnapshotFacts& other, const v1::CaptureFacts& one) {
               const std::int64_t period = PeriodOf(kind, SecondsOf(one.completed_at()));
               if (period == own && other.sequence() > s.sequence()) is_newest = false;
               if (period > own) later.insert(period);
             });
    if (is_newest && later.size() < counts[kind]) return true;
  }
  return false;
}

bool NaivelyKept(const Case& c, const v1::SnapshotFacts& s) {
  const v1::Retention& rules = c.input.rules();
  if (rules.keep_last() + rules.daily() + rules.weekly() + rules.monthly() + rules.yearly() == 0) {
    return true;
  }
  if (c.protected_ids.count(s.snapshot_id()) > 0 || TakesNoPlace(c, s)) return true;
  const std::int64_t age = SecondsOf(c.input.as_of()) - SecondsOf(s.created_at());
  if (age < static_cast<std::int64_t>(c.minimum_age_hours) * 3600) return true;
  for (const v1::CaptureFacts& capture : s.captures()) {
    if (KeptForCapture(c, s, capture)) return true;
  }
  return false;
}

// Sessions of one phone: full, photos or both, with a base most of the time, a clock
// that is wrong now and then, another owner once, snapshots deleted by hand.
class CaseMaker {
 public:
  explicit CaseMaker(std::uint64_t seed) : random_(seed) {}

  Case Make() {
    Case made;
    MakeRules(made);
    const std::int64_t start = 1'577'000'000 + static_cast<std::int64_t>(Below(200'000'000));
    const std::uint64_t count = 1 + Below(45);
    const std::uint64_t stride_days = 1 + Below(45);
    const std::uint64_t handed_over_at = Below(3) == 0 ? Below(count) : count;
    std::int64_t at = start;
    for (std::uint64_t i = 1; i <= count; ++i) {
      at += static_cast<std::int64_t>(Below(kDay * stride_days));
      // One session at a time: the clock may be wrong, the order is not.
      std::int64_t created = at;
      if (Below(25) == 0) created = start + static_cast<std::int64_t>(Below(kDay * 4000));
      AddSnapshot(made, i, created, i > handed_over_at ? 2 : 1);
    }
    const std::int64_t now = at + static_cast<std::int64_t>(Below(kDay * 20));
    made.input.mutable_as_of()->set_seconds(now);
    Protect(made, now);
    return made;
  }

 private:
  std::uint64_t Below(std::uint64_t bound) { return random_.Below(bound); }
  std::uint32_t Count(std::uint64_t bound) { return static_cast<std::uint32_t>(Below(bound)); }

  void MakeRules(Case& made) {
    v1::Retention& rules = *made.input.mutable_rules();
    rules.set_keep_last(Count(5));
    rules.set_daily(Count(8));
    rules.set_weekly(Count(6));
    rules.set_monthly(Count(6));
    rules.set_yearly(Count(4));
    if (Below(2) == 0) return;
    made.minimum_age_hours = Below(24 * 20);
    rules.set_minimum_age(fmt::format("{}h", made.minimum_age_hours));
  }

  void AddSnapshot(Case& made, std::uint64_t number, std::int64_t created, std::uint32_t lineage) {
    const absl::Time time = absl::FromUnixSeconds(created);
    v1::SnapshotFacts snapshot = TestSnapshot(number, time, lineage);
    const bool with_base = base_.lineage() == lineage && Below(8) != 0;
    const std::uint64_t what = Below(3);  // Full, photos, both.
    if (what != 1) AddCapture(snapshot, v1::CAPTURE_KIND_FULL, number, time);
    if (what != 0) AddCapture(snapshot, v1::CAPTURE_KIND_PHOTOS, number, time);
    for (const v1::CaptureFacts& capture : base_.captures()) {
      const bool is_new = (capture.kind() == v1::CAPTURE_KIND_FULL && what != 1) ||
                          (capture.kind() == v1::CAPTURE_KIND_PHOTOS && what != 0);
      if (with_base && !is_new) *snapshot.add_captures() = capture;
    }
    base_ = snapshot;
    if (Below(25) == 0) snapshot.set_damaged_chunks(1);
    if (Below(8) != 0) *made.input.add_snapshots() = snapshot;  // Else deleted by hand.
  }

  void Protect(Case& made, std::int64_t now) {
    for (const v1::SnapshotFacts& snapshot : made.input.snapshots()) {
      if (Below(25) != 0) continue;
      v1::SnapshotPin& pin = *made.input.add_pins();
      pin.set_snapshot_id(snapshot.snapshot_id());
      const std::uint64_t end = Below(3);
      if (end > 0) pin.mutable_until()->set_seconds(end == 1 ? now : now + 1);
      if (end != 1) made.protected_ids.insert(snapshot.snapshot_id());
    }
    const std::uint64_t kind = Below(40);
    if (kind == 0) made.input.add_holds()->set_device_id(TestId('d', 1));
    if (kind == 1) made.input.add_holds()->set_person_id(TestId('p', 1));
    if (kind == 2) {
      v1::PruningPause& pause = *made.input.add_pauses();
      pause.set_device_id(TestId('d', 1));
      pause.set_lineage(2);
    }
    for (const v1::SnapshotFacts& snapshot : made.input.snapshots()) {
      const bool covered = kind == 0 || (kind == 1 && snapshot.lineage() == 1) ||
                           (kind == 2 && snapshot.lineage() == 2);
      if (covered) made.protected_ids.insert(snapshot.snapshot_id());
    }
  }

  SeededRandom random_;
  v1::SnapshotFacts base_;
};

class OracleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* given = std::getenv("MOORING_SEED");
    if (given != nullptr && absl::SimpleAtoi(given, &first_)) {
      cases_ = 1;
    } else {
      SystemRandom random;
      first_ = random.Below(std::uint64_t{1} << 40);
    }
    std::cout << "seeds " << first_ << " to " << first_ + cases_ - 1 << "\n";
  }

  template <typename Check>
  void EachCase(Check check) {
    for (std::uint64_t i = 0; i < cases_ && !HasFailure(); ++i) {
      SCOPED_TRACE(fmt::format("MOORING_SEED={}", first_ + i));
      check(CaseMaker(first_ + i).Make());
    }
  }

  static Case OnlyKept(const Case& from, const std::vector<v1::RetentionVerdict>& verdicts) {
    Case kept = from;
    kept.input.clear_snapshots();
    for (int i = 0; i < from.input.snapshots_size(); ++i) {
      if (verdicts[static_cast<std::size_t>(i)].keep()) {
        *kept.input.add_snapshots() = from.input.snapshots(i);
      }
    }
    return kept;
  }

  std::uint64_t first_ = 0;
  std::uint64_t cases_ = kCases;
};

TEST_F(OracleTest, AgreesWithTheNaiveJudge) {
  std::uint64_t dropped = 0;
  EachCase([&](const Case& c) {
    const std::vector<v1::RetentionVerdict> verdicts = Judge(c.input);
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      const v1::SnapshotFacts& snapshot = c.input.snapshots(static_cast<int>(i));
      EXPECT_EQ(verdicts[i].keep(), NaivelyKept(c, snapshot))
          << "snapshot " << snapshot.sequence() << ": " << VerdictText(verdicts[i]);
      EXPECT_GT(verdicts[i].reasons_size(), 0);
      dropped += verdicts[i].keep() ? 0U : 1U;
    }
  });
  if (cases_ == 1) return;
  EXPECT_GT(dropped, cases_) << "cases that drop nothing show nothing";
}

TEST_F(OracleTest, TheNewestOfEachCaptureAndWhatIsProtectedStays) {
  EachCase([](const Case& c) {
    const std::vector<v1::RetentionVerdict> verdicts = Judge(c.input);
    std::set<std::string> kept;
    for (const auto& verdict : verdicts) {
      if (verdict.keep()) kept.insert(verdict.snapshot_id());
    }
    // The newest capture of every lineage and kind can be had from what is kept.
    for (const v1::SnapshotFacts& snapshot : c.input.snapshots()) {
      if (c.protected_ids.count(snapshot.snapshot_id()) > 0) {
        EXPECT_EQ(kept.count(snapshot.snapshot_id()), 1u);
      }
      for (const v1::CaptureFacts& capture : snapshot.captures()) {
        bool newer = false;
        bool have = false;
        for (const v1::SnapshotFacts& other : c.input.snapshots()) {
          if (!SameLineage(other, snapshot)) continue;
          for (const v1::CaptureFacts& one : other.captures()) {
            if (one.kind() != capture.kind()) continue;
            if (one.session_id() == capture.session_id()) {
              have = have || kept.count(other.snapshot_id()) > 0;
            } else if (one.session_id() > capture.session_id()) {
              newer = true;  // Session ids of the tests grow.
            }
          }
        }
        EXPECT_TRUE(newer || have) << "snapshot " << snapshot.sequence();
      }
    }
  });
}

TEST_F(OracleTest, ARuleMoreNeverDropsMore) {
  EachCase([](const Case& c) {
    if (!StatesRules(c.input.rules())) return;  // Keeps everything.
    const std::vector<v1::RetentionVerdict> before = Judge(c.input);
    for (int rule = 0; rule < 6; ++rule) {
      v1::RetentionInput more = c.input;
      v1::Retention& rules = *more.mutable_rules();
      if (rule == 0) rules.set_keep_last(rules.keep_last() + 1);
      if (rule == 1) rules.set_daily(rules.daily() + 1);
      if (rule == 2) rules.set_weekly(rules.weekly() + 2);
      if (rule == 3) rules.set_monthly(rules.monthly() + 1);
      if (rule == 4) rules.set_yearly(rules.yearly() + 1);
      if (rule == 5) rules.set_minimum_age(fmt::format("{}h", c.minimum_age_hours + 48));
      const std::vector<v1::RetentionVerdict> after = Judge(more);
      for (std::size_t i = 0; i < before.size(); ++i) {
        EXPECT_TRUE(after[i].keep() || !before[i].keep()) << "rule " << rule;
      }
      EXPECT_TRUE(LoweredRules(c.input.rules(), rules).empty());
    }
  });
}

TEST_F(OracleTest, WhatWasKeptIsKeptAgain) {
  EachCase([](const Case& c) {
    const Case kept = OnlyKept(c, Judge(c.input));
    for (const v1::RetentionVerdict& verdict : Judge(kept.input)) {
      EXPECT_TRUE(verdict.keep()) << VerdictText(verdict);
    }
  });
}

TEST_F(OracleTest, TheOrderOfTheInputDoesNotMatter) {
  EachCase([this](const Case& c) {
    const std::vector<v1::RetentionVerdict> verdicts = Judge(c.input);
    v1::RetentionInput turned = c.input;
    for (int i = 0, j = turned.snapshots_size() - 1; i < j; ++i, --j) {
      turned.mutable_snapshots()->SwapElements(i, j);
    }
    const std::vector<v1::RetentionVerdict> again = Judge(turned);
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      EXPECT_EQ(VerdictText(verdicts[i]), VerdictText(again[verdicts.size() - 1 - i]));
    }
  });
}

}  // namespace
}  // namespace mooring::storage
