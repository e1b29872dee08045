#include "storage/retention/simulate.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <absl/time/civil_time.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/repository/timestamps.h"
#include "storage/retention/facts.h"
#include "storage/retention/policy.h"

namespace mooring::storage {
namespace {

constexpr std::uint32_t kDaysOfYear = 365;
constexpr absl::Duration kDay = absl::Hours(24);
// 2018 began on a Monday.
const absl::CivilSecond kStart(2018, 1, 1, 0, 0, 0);

// Days after which a line is shown.
std::set<std::uint32_t> ShownDays(std::uint32_t years) {
  std::set<std::uint32_t> days = {7, 30, 91, 182};
  for (std::uint32_t year = 1; year <= years; ++year) days.insert(year * kDaysOfYear);
  return days;
}

// One phone, day by day.
class Simulation {
 public:
  explicit Simulation(const v1::Retention& rules)
      : start_(absl::FromCivil(kStart, absl::UTCTimeZone())) {
    *input_.mutable_rules() = rules;
  }

  // Captures are spread over the week: the n-th comes at n times seven days through
  // `per_week`. Where both are due, the full one comes first.
  void RunDay(std::uint32_t day, std::uint32_t full_per_week, std::uint32_t photos_per_week) {
    const absl::Time from = start_ + day * kDay;
    std::multimap<absl::Time, v1::CaptureKind> due;
    AddDue(from, full_per_week, v1::CAPTURE_KIND_FULL, due);
    AddDue(from, photos_per_week, v1::CAPTURE_KIND_PHOTOS, due);
    for (const auto& [time, kind] : due) Take(time, kind);
    Prune(from + kDay);
  }

  v1::SimulatedPoint PointAt(std::uint32_t days) const {
    const absl::Time now = start_ + days * kDay;
    std::set<absl::Time> fulls;
    for (const v1::SnapshotFacts& snapshot : input_.snapshots()) {
      for (const v1::CaptureFacts& capture : snapshot.captures()) {
        if (capture.kind() == v1::CAPTURE_KIND_FULL) fulls.insert(TimeOf(capture.completed_at()));
      }
    }
    v1::SimulatedPoint point;
    point.set_day(days);
    point.set_kept(kept());
    if (fulls.empty()) return point;
    point.set_oldest_days(Days(now - *fulls.begin()));
    absl::Duration widest = now - *fulls.rbegin();
    for (auto at = fulls.begin(); std::next(at) != fulls.end(); ++at) {
      widest = std::max(widest, *std::next(at) - *at);
    }
    point.set_widest_gap_days(Days(widest));
    return point;
  }

  std::uint64_t kept() const { return static_cast<std::uint64_t>(input_.snapshots_size()); }
  std::uint64_t taken() const { return taken_; }

 private:
  static std::uint32_t Days(absl::Duration duration) {
    return static_cast<std::uint32_t>(duration / kDay);
  }

  void AddDue(absl::Time from, std::uint32_t per_week, v1::CaptureKind kind,
              std::multimap<absl::Time, v1::CaptureKind>& due) const {
    if (per_week == 0) return;
    const absl::Duration step = 7 * kDay / per_week;
    const std::int64_t first = (from - start_ + step - absl::Nanoseconds(1)) / step;
    for (std::int64_t n = first; start_ + n * step < from + kDay; ++n) {
      due.emplace(start_ + n * step, kind);
    }
  }

  void Take(absl::Time time, v1::CaptureKind kind) {
    ++taken_;
    v1::SnapshotFacts snapshot;
    snapshot.set_snapshot_id(fmt::format("{:016}", taken_));
    snapshot.set_sequence(taken_);
    *snapshot.mutable_created_at() = ToTimestamp(time);
    v1::CaptureFacts own;
    own.set_kind(kind);
    own.set_session_id(snapshot.snapshot_id());
    *own.mutable_completed_at() = snapshot.created_at();
    last_[kind] = own;
    for (const auto& [number, capture] : last_) *snapshot.add_captures() = capture;
    *input_.add_snapshots() = std::move(snapshot);
  }

  void Prune(absl::Time now) {
    *input_.mutable_as_of() = ToTimestamp(now);
    const std::vector<v1::RetentionVerdict> verdicts = Judge(input_);
    google::protobuf::RepeatedPtrField<v1::SnapshotFacts> kept;
    for (int i = 0; i < input_.snapshots_size(); ++i) {
      if (!verdicts[static_cast<std::size_t>(i)].keep()) continue;
      *kept.Add() = std::move(*input_.mutable_snapshots(i));
    }
    input_.mutable_snapshots()->Swap(&kept);
  }

  const absl::Time start_;
  v1::RetentionInput input_;
  std::map<int, v1::CaptureFacts> last_;
  std::uint64_t taken_ = 0;
};

absl::Status FillIn(v1::SimulatePolicyRequest& request) {
  if (request.backups_per_week() == 0) request.set_backups_per_week(5);
  if (request.years() == 0) request.set_years(2);
  if (request.backups_per_week() > kSimulatedPerWeekMax ||
      request.photos_per_week() > kSimulatedPerWeekMax) {
    return absl::InvalidArgumentError(
        fmt::format("simulate: at most {} backups a week", kSimulatedPerWeekMax));
  }
  if (request.years() > kSimulatedYearsMax) {
    return absl::InvalidArgumentError(
        fmt::format("simulate: at most {} years", kSimulatedYearsMax));
  }
  return CheckRules(request.rules());
}

}  // namespace

absl::StatusOr<v1::SimulatePolicyResponse> Simulate(const v1::SimulatePolicyRequest& asked) {
  v1::SimulatePolicyRequest request = asked;
  MOORING_RETURN_IF_ERROR(FillIn(request));
  v1::SimulatePolicyResponse response;
  *response.mutable_rules() = request.rules();
  response.set_backups_per_week(request.backups_per_week());
  response.set_photos_per_week(request.photos_per_week());
  response.set_years(request.years());
  if (!StatesRules(request.rules())) {
    return absl::InvalidArgumentError(
        "simulate: the policy states no retention, so everything is kept");
  }
  const std::set<std::uint32_t> shown = ShownDays(request.years());
  Simulation simulation(request.rules());
  std::uint64_t kept_max = 0;
  for (std::uint32_t day = 0; day < request.years() * kDaysOfYear; ++day) {
    simulation.RunDay(day, request.backups_per_week(), request.photos_per_week());
    kept_max = std::max(kept_max, simulation.kept());
    if (shown.count(day + 1) > 0) *response.add_points() = simulation.PointAt(day + 1);
  }
  response.set_taken(simulation.taken());
  response.set_kept_max(kept_max);
  return response;
}

}  // namespace mooring::storage
