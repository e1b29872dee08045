// Compliance: facts of the catalog judged by policy and by the server's clock.
// The report, its metrics and `mooring compliance check` all stand on Evaluate,
// so that they cannot disagree.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <absl/time/time.h>

#include "mooring/v1/policy.pb.h"
#include "mooring/v1/report.pb.h"
#include "server/metrics/fleet_figures.h"
#include "storage/catalog/compliance_query.h"

namespace mooring::server {

// Policies in force, by group.
using PolicyMap = std::map<std::string, v1::StoredPolicy>;

// One device's state. `last_capture` is none where there is no snapshot.
v1::ComplianceState StateOf(bool has_person, std::optional<absl::Time> last_capture,
                            absl::Duration rpo, absl::Time now);

// Rows in the order of `facts`, and the counts over them. Pure.
v1::GetComplianceReportResponse Evaluate(const std::vector<storage::ComplianceFact>& facts,
                                         const PolicyMap& policies, absl::Time now);

// The part of the fleet's gauges that a report of all groups holds. Pure.
void FillFigures(const v1::GetComplianceReportResponse& report, FleetFigures& figures);

}  // namespace mooring::server
