// mooring compliance report|check

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/text.h"
#include "mooring/v1/report.grpc.pb.h"
#include "proto/message_json.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

bool IsBreach(const v1::ComplianceRow& row) {
  return row.state() == v1::COMPLIANCE_STATE_OVERDUE ||
         row.state() == v1::COMPLIANCE_STATE_NEVER_BACKED_UP ||
         row.state() == v1::COMPLIANCE_STATE_NO_DEVICE;
}

Cell StateOf(const v1::ComplianceRow& row) {
  if (row.state() == v1::COMPLIANCE_STATE_COMPLIANT) return {EnumText(row.state()), Tone::kGood};
  return {EnumText(row.state()), IsBreach(row) ? Tone::kBad : Tone::kWarning};
}

std::string PersonOf(const v1::ComplianceRow& row) {
  if (row.person_name().empty()) return row.person_handle();
  return fmt::format("{} ({})", row.person_handle(), row.person_name());
}

std::string MissOf(const v1::ComplianceRow& row, absl::Time as_of) {
  if (row.last_miss_cause() == v1::CAUSE_UNSPECIFIED) return "-";
  return fmt::format("{}, {}", EnumText(row.last_miss_cause()), AgeText(row.last_miss_at(), as_of));
}

std::string OrDash(const std::string& text) {
  return text.empty() ? "-" : text;
}

// Worst first: what a reader must act on stands at the top.
std::vector<v1::ComplianceRow> WorstFirst(const v1::GetComplianceReportResponse& report) {
  std::vector<v1::ComplianceRow> rows(report.rows().begin(), report.rows().end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return IsBreach(a) && !IsBreach(b); });
  return rows;
}

Table ReportTable(const std::vector<v1::ComplianceRow>& rows, absl::Time as_of) {
  Table table({{"STATE"},
               {"PERSON", false, true},
               {"GROUP", false, true},
               {"DEVICE", false, true},
               {"SERIAL"},
               {"AGE", true},
               {"RPO", true},
               {"LAST CAPTURE"},
               {"LAST MISS", false, true}});
  for (const v1::ComplianceRow& row : rows) {
    table.AddRow(
        {StateOf(row), OrDash(PersonOf(row)), OrDash(row.group()), OrDash(row.device_name()),
         OrDash(row.serial()), row.has_age() ? DurationText(row.age()) : "-",
         row.has_rpo() ? DurationText(row.rpo()) : "-",
         row.has_last_capture_at() ? TimeText(row.last_capture_at()) : "-", MissOf(row, as_of)});
  }
  return table;
}

// One row per device with plain values: times in RFC 3339, lengths in seconds.
Table CsvTable(const v1::GetComplianceReportResponse& report) {
  Table table({{"as_of"},
               {"state"},
               {"person_handle"},
               {"person_name"},
               {"group"},
               {"policy_version"},
               {"platform"},
               {"device_name"},
               {"serial"},
               {"age_seconds"},
               {"rpo_seconds"},
               {"last_capture_at"},
               {"last_miss_cause"},
               {"last_miss_at"}});
  const auto time = [](bool is_set, const google::protobuf::Timestamp& value) {
    return is_set ? absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", ToTime(value), absl::UTCTimeZone())
                  : std::string();
  };
  const auto text = [](const std::string& value) { return value == "-" ? std::string() : value; };
  for (const v1::ComplianceRow& row : report.rows()) {
    table.AddRow(
        {time(report.has_as_of(), report.as_of()), text(EnumText(row.state())), row.person_handle(),
         row.person_name(), row.group(), fmt::format("{}", row.policy_version()),
         text(EnumText(row.platform())), row.device_name(), row.serial(),
         row.has_age() ? fmt::format("{}", row.age().seconds()) : "",
         row.has_rpo() ? fmt::format("{}", row.rpo().seconds()) : "",
         time(row.has_last_capture_at(), row.last_capture_at()),
         text(EnumText(row.last_miss_cause())), time(row.has_last_miss_at(), row.last_miss_at())});
  }
  return table;
}

void PrintHeader(Output& output, const v1::GetComplianceReportResponse& report,
                 const std::string& group) {
  output.PrintLine(fmt::format("Organization  {}", report.organization()));
  output.PrintLine(fmt::format("Group         {}", group.empty() ? "all" : group));
  output.PrintLine(fmt::format("As of         {}", TimeText(report.as_of())));
  const std::uint64_t population = report.compliant() + report.overdue() +
                                   report.never_backed_up() + report.people_without_device();
  // Never rounded up to a hundred that is not there.
  const double percent = static_cast<double>(static_cast<int>(report.share() * 1000)) / 10;
  output.PrintLine(
      fmt::format("Compliant     {:.1f} % ({} of {})", percent, report.compliant(), population));
  output.PrintLine(fmt::format(
      "Not           {} overdue, {} never backed up, {} without a device; {} unassigned (not "
      "counted)",
      report.overdue(), report.never_backed_up(), report.people_without_device(),
      report.unassigned()));
  output.PrintLine("");
}

absl::StatusOr<v1::GetComplianceReportResponse> Fetch(Invocation& run, const std::string& group) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::GetComplianceReportRequest request;
  request.set_group(group);
  return connection->Call(&v1::ReportService::Stub::GetComplianceReport, request);
}

absl::StatusOr<ExitCode> Report(Invocation& run, const std::string& group) {
  MOORING_ASSIGN_OR_RETURN(const auto report, Fetch(run, group));
  Output& output = run.output();
  if (output.is_structured()) {
    output.Print(report);
  } else if (output.format() == Format::kCsv) {
    output.Print(CsvTable(report));
  } else {
    PrintHeader(output, report, group);
    output.Print(ReportTable(WorstFirst(report), ToTime(report.as_of())));
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Check(Invocation& run, const std::string& group) {
  MOORING_ASSIGN_OR_RETURN(auto report, Fetch(run, group));
  std::vector<v1::ComplianceRow> breaches;
  std::copy_if(report.rows().begin(), report.rows().end(), std::back_inserter(breaches), IsBreach);
  if (run.output().is_structured()) {
    // The report with the breaches alone.
    report.clear_rows();
    for (const v1::ComplianceRow& row : breaches) *report.add_rows() = row;
    run.output().Print(report);
  } else if (breaches.empty()) {
    run.output().PrintLine("No breach.");
  } else {
    run.output().Print(ReportTable(breaches, ToTime(report.as_of())));
    run.output().Note(CountText(breaches.size(), "breach.", "breaches."));
  }
  return breaches.empty() ? ExitCode::kOk : ExitCode::kFindings;
}

}  // namespace

void AddComplianceCommands(CommandTree& tree) {
  CLI::App& compliance = tree.AddNoun("compliance", "Who is backed up within policy");
  auto report_group = std::make_shared<std::string>();
  tree.AddVerb(compliance,
               {"report", "Every device, and every person without one",
                "mooring compliance report --group staff -o csv", /*has_csv=*/true},
               [report_group](Invocation& run) { return Report(run, *report_group); })
      .add_option("--group", *report_group, "policy group; all without it");
  auto check_group = std::make_shared<std::string>();
  tree.AddVerb(compliance,
               {"check", "The breaches alone; exits 8 if there is one",
                "mooring compliance check --group staff"},
               [check_group](Invocation& run) { return Check(run, *check_group); })
      .add_option("--group", *check_group, "policy group; all without it");
}

}  // namespace mooring::admin
