#include "server/compliance/compliance.h"

#include <algorithm>

#include "server/compliance/policy_check.h"
#include "server/metrics/server_metrics.h"
#include "server/services/proto_time.h"

namespace mooring::server {
namespace {

v1::ComplianceRow RowOf(const storage::ComplianceFact& fact, const PolicyMap& policies,
                        absl::Time now) {
  v1::ComplianceRow row;
  if (fact.device) row.set_device_id(fact.device->bytes());
  row.set_serial(fact.serial);
  row.set_platform(fact.platform);
  row.set_device_name(fact.device_name);
  row.set_person_handle(fact.person_handle);
  row.set_person_name(fact.person_name);
  row.set_group(fact.group);
  absl::Duration rpo = kDefaultRpo;
  const auto policy = policies.find(fact.group);
  if (policy != policies.end()) {
    rpo = RpoOf(policy->second.policy());
    row.set_policy_version(policy->second.version());
  }
  if (fact.person) *row.mutable_rpo() = ToProtoDuration(rpo);
  if (fact.last_capture_at) {
    *row.mutable_last_capture_at() = ToTimestamp(*fact.last_capture_at);
    *row.mutable_age() =
        ToProtoDuration(std::max(now - *fact.last_capture_at, absl::ZeroDuration()));
  }
  if (fact.last_snapshot) row.set_last_snapshot_id(fact.last_snapshot->bytes());
  row.set_last_miss_cause(fact.last_miss_cause);
  if (fact.last_miss_at) *row.mutable_last_miss_at() = ToTimestamp(*fact.last_miss_at);
  row.set_state(fact.device ? StateOf(fact.person.has_value(), fact.last_capture_at, rpo, now)
                            : v1::COMPLIANCE_STATE_NO_DEVICE);
  if (fact.device && fact.last_miss_cause == v1::CAUSE_UNSPECIFIED &&
      (row.state() == v1::COMPLIANCE_STATE_OVERDUE ||
       row.state() == v1::COMPLIANCE_STATE_NEVER_BACKED_UP)) {
    // Nothing failed: nobody plugged it in.
    row.set_last_miss_cause(v1::CAUSE_NEVER_CONNECTED);
  }
  return row;
}

std::string StateLabel(v1::ComplianceState state) {
  return LabelOf(v1::ComplianceState_Name(state), "COMPLIANCE_STATE_");
}

void AddAge(double seconds, FleetFigures& figures) {
  ++figures.ages_count;
  figures.ages_sum += seconds;
  for (std::size_t i = 0; i < kAgeBuckets.size(); ++i) {
    if (seconds > kAgeBuckets[i]) continue;
    ++figures.ages[i];
    return;
  }
}

}  // namespace

v1::ComplianceState StateOf(bool has_person, std::optional<absl::Time> last_capture,
                            absl::Duration rpo, absl::Time now) {
  if (!has_person) return v1::COMPLIANCE_STATE_UNASSIGNED;
  if (!last_capture) return v1::COMPLIANCE_STATE_NEVER_BACKED_UP;
  return now - *last_capture <= rpo ? v1::COMPLIANCE_STATE_COMPLIANT : v1::COMPLIANCE_STATE_OVERDUE;
}

v1::GetComplianceReportResponse Evaluate(const std::vector<storage::ComplianceFact>& facts,
                                         const PolicyMap& policies, absl::Time now) {
  v1::GetComplianceReportResponse report;
  *report.mutable_as_of() = ToTimestamp(now);
  std::uint64_t compliant = 0;
  std::uint64_t overdue = 0;
  std::uint64_t never = 0;
  std::uint64_t no_device = 0;
  std::uint64_t unassigned = 0;
  report.mutable_rows()->Reserve(static_cast<int>(facts.size()));
  for (const storage::ComplianceFact& fact : facts) {
    v1::ComplianceRow& row = *report.add_rows() = RowOf(fact, policies, now);
    compliant += row.state() == v1::COMPLIANCE_STATE_COMPLIANT;
    overdue += row.state() == v1::COMPLIANCE_STATE_OVERDUE;
    never += row.state() == v1::COMPLIANCE_STATE_NEVER_BACKED_UP;
    no_device += row.state() == v1::COMPLIANCE_STATE_NO_DEVICE;
    unassigned += row.state() == v1::COMPLIANCE_STATE_UNASSIGNED;
  }
  report.set_compliant(compliant);
  report.set_overdue(overdue);
  report.set_never_backed_up(never);
  report.set_people_without_device(no_device);
  report.set_unassigned(unassigned);
  const std::uint64_t population = compliant + overdue + never + no_device;
  report.set_share(
      population == 0 ? 1.0 : static_cast<double>(compliant) / static_cast<double>(population));
  return report;
}

void FillFigures(const v1::GetComplianceReportResponse& report, FleetFigures& figures) {
  figures.as_of = FromTimestamp(report.as_of());
  struct Share {
    std::uint64_t compliant = 0;
    std::uint64_t all = 0;
  };
  std::map<std::string, Share> groups;
  for (const v1::ComplianceRow& row : report.rows()) {
    if (!row.device_id().empty()) {
      ++figures.devices[{StateLabel(row.state()),
                         LabelOf(v1::Platform_Name(row.platform()), "PLATFORM_")}];
    }
    if (row.state() == v1::COMPLIANCE_STATE_UNASSIGNED) continue;
    Share& share = groups[row.group()];
    ++share.all;
    share.compliant += row.state() == v1::COMPLIANCE_STATE_COMPLIANT;
    if (row.state() == v1::COMPLIANCE_STATE_NO_DEVICE) {
      ++figures.people_without_device[row.group()];
    } else if (row.state() != v1::COMPLIANCE_STATE_COMPLIANT) {
      ++figures.overdue[{row.group(), LabelOf(v1::Cause_Name(row.last_miss_cause()), "CAUSE_")}];
    }
    if (row.has_age()) {
      AddAge(static_cast<double>(row.age().seconds()) + row.age().nanos() * 1e-9, figures);
    }
  }
  for (const auto& [group, share] : groups) {
    figures.attainment[group] =
        static_cast<double>(share.compliant) / static_cast<double>(share.all);
  }
}

}  // namespace mooring::server
