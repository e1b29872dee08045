#include "storage/retention/policy.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include <absl/time/time.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/retention/calendar.h"
#include "storage/retention/duration.h"
#include "storage/retention/facts.h"

namespace mooring::storage {
namespace {

struct PeriodRule {
  const char* name;
  v1::RetentionRule rule;
  Period period;
  std::uint32_t (v1::Retention::*count)() const;
};
constexpr std::array<PeriodRule, 4> kPeriodRules = {
    {{"daily", v1::RETENTION_RULE_DAILY, Period::kDay, &v1::Retention::daily},
     {"weekly", v1::RETENTION_RULE_WEEKLY, Period::kWeek, &v1::Retention::weekly},
     {"monthly", v1::RETENTION_RULE_MONTHLY, Period::kMonth, &v1::Retention::monthly},
     {"yearly", v1::RETENTION_RULE_YEARLY, Period::kYear, &v1::Retention::yearly}}};

// One capture, in the snapshot that it is kept in.
struct Point {
  int snapshot = 0;  // Index into the input.
  absl::Time completed_at;
};

void Keep(v1::RetentionVerdict& verdict, v1::RetentionRule rule, std::string text,
          v1::CaptureKind capture = v1::CAPTURE_KIND_UNSPECIFIED, std::string period = "") {
  verdict.set_keep(true);
  v1::RetentionReason& reason = *verdict.add_reasons();
  reason.set_rule(rule);
  reason.set_capture(capture);
  reason.set_period(std::move(period));
  reason.set_text(std::move(text));
}

// "full daily 2026-11-23"; a snapshot without captures has no word in front.
std::string TextFor(v1::CaptureKind kind, const std::string& rule) {
  const std::string name = CaptureName(kind);
  return name.empty() ? rule : name + " " + rule;
}

// Judges one lineage: the snapshots at `indexes`, oldest first.
class LineageJudge {
 public:
  LineageJudge(const v1::RetentionInput& input, absl::Duration minimum_age,
               std::vector<v1::RetentionVerdict>& verdicts)
      : input_(input),
        now_(TimeOf(input.as_of())),
        minimum_age_(minimum_age),
        verdicts_(verdicts) {}

  void Run(const std::vector<int>& indexes) {
    for (const int index : indexes) KeepApart(index);
    // Of the newest sequence last, so that each kind's captures come out in order.
    std::map<int, std::vector<Point>> by_kind;
    std::map<int, std::set<std::string>> seen;
    for (const int index : indexes) {
      if (TakesNoPlace(index)) continue;
      for (const v1::CaptureFacts& capture : CapturesOf(index)) {
        if (!seen[capture.kind()].insert(capture.session_id()).second) continue;
        by_kind[capture.kind()].push_back({index, TimeOf(capture.completed_at())});
      }
    }
    for (const auto& [kind, points] : by_kind) {
      JudgeKind(static_cast<v1::CaptureKind>(kind), points);
    }
  }

 private:
  const v1::SnapshotFacts& Facts(int index) const { return input_.snapshots(index); }

  bool TakesNoPlace(int index) const {
    return TimeOf(Facts(index).created_at()) > now_ || Facts(index).damaged_chunks() > 0;
  }

  // What keeps a snapshot whatever its captures are.
  void KeepApart(int index) {
    const v1::SnapshotFacts& facts = Facts(index);
    v1::RetentionVerdict& verdict = verdicts_[static_cast<std::size_t>(index)];
    const absl::Time created_at = TimeOf(facts.created_at());
    if (created_at > now_) {
      Keep(verdict, v1::RETENTION_RULE_FROM_THE_FUTURE, "from the future: a clock was wrong");
    } else if (now_ - created_at < minimum_age_) {
      Keep(verdict, v1::RETENTION_RULE_MINIMUM_AGE,
           fmt::format("younger than {}", DurationText(minimum_age_)));
    }
    if (facts.damaged_chunks() > 0) {
      Keep(verdict, v1::RETENTION_RULE_DAMAGED, "damaged: kept until it is healed or deleted");
    }
  }

  // At most one of each kind; one of its own where there is none.
  std::vector<v1::CaptureFacts> CapturesOf(int index) const {
    const v1::SnapshotFacts& facts = Facts(index);
    std::vector<v1::CaptureFacts> captures;
    for (const v1::CaptureFacts& capture : facts.captures()) {
      const bool again = std::any_of(captures.begin(), captures.end(), [&](const auto& other) {
        return other.kind() == capture.kind();
      });
      if (!again) captures.push_back(capture);
    }
    if (captures.empty()) {
      v1::CaptureFacts& whole = captures.emplace_back();
      whole.set_session_id(facts.snapshot_id());
      *whole.mutable_completed_at() = facts.created_at();
    }
    return captures;
  }

  // `points` are of one kind, oldest first.
  void JudgeKind(v1::CaptureKind kind, const std::vector<Point>& points) {
    const std::uint32_t keep_last = std::max(input_.rules().keep_last(), 1U);
    for (std::size_t n = 0; n < points.size() && n < keep_last; ++n) {
      Keep(VerdictOf(points[points.size() - 1 - n]), v1::RETENTION_RULE_KEEP_LAST,
           TextFor(kind, fmt::format("keep_last {}", keep_last)), kind);
    }
    for (const PeriodRule& rule : kPeriodRules) JudgePeriods(kind, rule, points);
  }

  void JudgePeriods(v1::CaptureKind kind, const PeriodRule& rule,
                    const std::vector<Point>& points) {
    std::uint32_t count = (input_.rules().*rule.count)();
    if (count == 0) return;
    // The last one to come of a period is its newest.
    std::map<std::int64_t, Point, std::greater<>> newest;
    for (const Point& point : points) {
      newest[PeriodNumber(rule.period, point.completed_at)] = point;
    }
    for (const auto& [number, point] : newest) {
      if (count-- == 0) return;
      std::string period = PeriodName(rule.period, point.completed_at);
      std::string text = TextFor(kind, fmt::format("{} {}", rule.name, period));
      Keep(VerdictOf(point), rule.rule, std::move(text), kind, std::move(period));
    }
  }

  v1::RetentionVerdict& VerdictOf(const Point& point) {
    return verdicts_[static_cast<std::size_t>(point.snapshot)];
  }

  const v1::RetentionInput& input_;
  const absl::Time now_;
  const absl::Duration minimum_age_;
  std::vector<v1::RetentionVerdict>& verdicts_;
};

// Pins, holds and pauses, looked up by what they cover.
class Protection {
 public:
  explicit Protection(const v1::RetentionInput& input) {
    const absl::Time now = TimeOf(input.as_of());
    for (const v1::SnapshotPin& pin : input.pins()) {
      if (PinStands(pin, now)) pins_.emplace(pin.snapshot_id(), &pin);
    }
    for (const v1::Hold& hold : input.holds()) {
      if (hold.has_released_at()) continue;
      if (!hold.device_id().empty()) devices_.emplace(hold.device_id(), &hold);
      if (!hold.person_id().empty()) people_.emplace(hold.person_id(), &hold);
    }
    for (const v1::PruningPause& pause : input.pauses()) {
      pauses_.emplace(std::pair(pause.device_id(), pause.lineage()), &pause);
    }
  }

  void Apply(const v1::SnapshotFacts& facts, v1::RetentionVerdict& verdict) const {
    if (const auto pin = pins_.find(facts.snapshot_id()); pin != pins_.end()) {
      Keep(verdict, v1::RETENTION_RULE_PINNED, PinText(*pin->second));
    }
    const auto device = devices_.find(facts.device_id());
    if (device != devices_.end()) Keep(verdict, v1::RETENTION_RULE_ON_HOLD, "device on hold");
    const auto person = people_.find(facts.person_id());
    if (person != people_.end()) Keep(verdict, v1::RETENTION_RULE_ON_HOLD, "person on hold");
    const auto pause = pauses_.find({facts.device_id(), facts.lineage()});
    if (pause != pauses_.end()) {
      Keep(verdict, v1::RETENTION_RULE_PRUNING_PAUSED,
           fmt::format("pruning paused: {}", pause->second->detail()));
    }
  }

 private:
  std::map<std::string, const v1::SnapshotPin*> pins_;
  std::map<std::string, const v1::Hold*> devices_;
  std::map<std::string, const v1::Hold*> people_;
  std::map<std::pair<std::string, std::uint32_t>, const v1::PruningPause*> pauses_;
};

void KeepAll(const std::string& why, std::vector<v1::RetentionVerdict>& verdicts) {
  for (v1::RetentionVerdict& verdict : verdicts) {
    Keep(verdict, v1::RETENTION_RULE_NO_RULES, why);
  }
}

void JudgeByRules(const v1::RetentionInput& input, absl::Duration minimum_age,
                  std::vector<v1::RetentionVerdict>& verdicts) {
  std::map<std::pair<std::string, std::uint32_t>, std::vector<int>> lineages;
  for (int i = 0; i < input.snapshots_size(); ++i) {
    lineages[{input.snapshots(i).device_id(), input.snapshots(i).lineage()}].push_back(i);
  }
  for (auto& [name, indexes] : lineages) {
    std::sort(indexes.begin(), indexes.end(), [&input](int a, int b) {
      const v1::SnapshotFacts& x = input.snapshots(a);
      const v1::SnapshotFacts& y = input.snapshots(b);
      if (x.sequence() != y.sequence()) return x.sequence() < y.sequence();
      return x.snapshot_id() < y.snapshot_id();
    });
    LineageJudge(input, minimum_age, verdicts).Run(indexes);
  }
}

}  // namespace

bool StatesRules(const v1::Retention& rules) {
  return rules.keep_last() > 0 || rules.daily() > 0 || rules.weekly() > 0 || rules.monthly() > 0 ||
         rules.yearly() > 0;
}

absl::Status CheckRules(const v1::Retention& rules) {
  if (rules.minimum_age().empty()) return absl::OkStatus();
  return Annotate(ParseDuration(rules.minimum_age()).status(), "retention.minimum_age");
}

std::vector<v1::RetentionVerdict> Judge(const v1::RetentionInput& input) {
  std::vector<v1::RetentionVerdict> verdicts;
  verdicts.reserve(static_cast<std::size_t>(input.snapshots_size()));
  for (const v1::SnapshotFacts& facts : input.snapshots()) {
    verdicts.emplace_back().set_snapshot_id(facts.snapshot_id());
  }
  const absl::Status checked = CheckRules(input.rules());
  if (!checked.ok()) {
    KeepAll(std::string(checked.message()), verdicts);
  } else if (!StatesRules(input.rules())) {
    KeepAll(
        input.without_rules().empty() ? "the policy states no retention" : input.without_rules(),
        verdicts);
  } else {
    JudgeByRules(input, MinimumAge(input.rules()), verdicts);
  }
  const Protection protection(input);
  for (int i = 0; i < input.snapshots_size(); ++i) {
    v1::RetentionVerdict& verdict = verdicts[static_cast<std::size_t>(i)];
    protection.Apply(input.snapshots(i), verdict);
    if (verdict.keep()) continue;
    Keep(verdict, v1::RETENTION_RULE_NONE, "no rule keeps it");
    verdict.set_keep(false);
  }
  return verdicts;
}

std::vector<std::string> LoweredRules(const v1::Retention& from, const v1::Retention& to) {
  if (!StatesRules(to)) return {};
  if (!StatesRules(from)) return {"from everything to the rules given"};
  std::vector<std::string> lowered;
  const auto compare = [&lowered](const char* name, std::uint32_t before, std::uint32_t after) {
    if (after < before) lowered.push_back(fmt::format("{} from {} to {}", name, before, after));
  };
  compare("keep_last", std::max(from.keep_last(), 1U), std::max(to.keep_last(), 1U));
  for (const PeriodRule& rule : kPeriodRules) {
    compare(rule.name, (from.*rule.count)(), (to.*rule.count)());
  }
  if (MinimumAge(to) < MinimumAge(from)) {
    lowered.push_back(fmt::format("minimum_age from {} to {}", DurationText(MinimumAge(from)),
                                  DurationText(MinimumAge(to))));
  }
  return lowered;
}

}  // namespace mooring::storage
