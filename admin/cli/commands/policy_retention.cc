#include "admin/cli/commands/policy_retention.h"

#include <istream>
#include <memory>
#include <string>
#include <vector>

#include <absl/strings/str_join.h>
#include <fmt/format.h>

#include "admin/cli/login_file.h"
#include "admin/cli/resolve.h"
#include "admin/cli/text.h"
#include "mooring/v1/retention.grpc.pb.h"
#include "proto/yaml_message.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

// Planning a large fleet is one transaction per device.
constexpr absl::Duration kPlanTimeout = absl::Minutes(30);
constexpr absl::Duration kSimulateTimeout = absl::Minutes(5);
constexpr std::size_t kSnapshotIdLength = 32;

struct QuestionOptions {
  std::string file;
  std::string subject;
  std::uint32_t backups_per_week = 5;
  std::uint32_t photos_per_week = 0;
  std::uint32_t years = 2;
};

std::string ReasonsText(const google::protobuf::RepeatedPtrField<v1::RetentionReason>& reasons) {
  std::vector<std::string> texts;
  for (const v1::RetentionReason& reason : reasons) texts.push_back(reason.text());
  return absl::StrJoin(texts, ", ");
}

void PrintPlan(Invocation& run, const v1::PlanPolicyResponse& plan) {
  if (plan.changed_size() > 0) {
    Table table({{"SERIAL"},
                 {"PERSON", false, true},
                 {"SNAPSHOT"},
                 {"TAKEN"},
                 {"CHANGE"},
                 {"KEPT FOR", false, true}});
    for (const v1::PlannedDevice& device : plan.changed()) {
      for (const v1::PlannedSnapshot& change : device.changes()) {
        table.AddRow(
            {device.serial(), device.person_handle(), ShortId(change.snapshot_id()),
             TimeText(change.created_at()),
             change.dropped() ? Cell("drops it", Tone::kBad) : Cell("keeps it", Tone::kGood),
             ReasonsText(change.reasons())});
      }
    }
    run.output().Print(table);
    run.output().PrintLine("");
  }
  if (plan.changed_left_off() > 0) {
    run.output().PrintLine(
        fmt::format("{} not listed.", CountText(plan.changed_left_off(), "device", "devices")));
  }
  Table totals = FieldTable();
  totals.AddRow({"group", plan.policy_version() == 0
                              ? fmt::format("{} (no policy yet)", plan.group())
                              : fmt::format("{} (version {} in force)", plan.group(),
                                            plan.policy_version())});
  totals.AddRow({"devices", fmt::format("{}", plan.devices())});
  totals.AddRow({"snapshots", fmt::format("{}", plan.snapshots())});
  totals.AddRow({"kept now", fmt::format("{}", plan.kept_now())});
  totals.AddRow({"kept then", fmt::format("{}", plan.kept_then())});
  totals.AddRow({"dropped by the change",
                 {fmt::format("{} ({:.1f} %)", plan.dropped_by_change(), plan.dropped_percent()),
                  plan.dropped_by_change() > 0 ? Tone::kBad : Tone::kGood}});
  totals.AddRow({"saved by the change", fmt::format("{}", plan.saved_by_change())});
  for (const std::string& lowered : plan.lowered()) totals.AddRow({"lowers", lowered});
  totals.AddRow({"approval", plan.needs_approval()
                                 ? Cell("another person must approve it", Tone::kWarning)
                                 : Cell("not needed")});
  run.output().Print(totals);
}

absl::StatusOr<ExitCode> Plan(Invocation& run, const QuestionOptions& options) {
  v1::PlanPolicyRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_policy(), ReadPolicyFile(run.env(), options.file));
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(
      const auto plan,
      connection->Call(&v1::RetentionService::Stub::PlanPolicy, request, kPlanTimeout));
  if (run.output().is_structured()) {
    run.output().Print(plan);
  } else {
    PrintPlan(run, plan);
  }
  return plan.dropped_by_change() > 0 ? ExitCode::kFindings : ExitCode::kOk;
}

absl::StatusOr<ExitCode> Simulate(Invocation& run, const QuestionOptions& options) {
  MOORING_ASSIGN_OR_RETURN(const v1::Policy policy, ReadPolicyFile(run.env(), options.file));
  v1::SimulatePolicyRequest request;
  *request.mutable_rules() = policy.retention();
  request.set_backups_per_week(options.backups_per_week);
  request.set_photos_per_week(options.photos_per_week);
  request.set_years(options.years);
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(
      const auto response,
      connection->Call(&v1::RetentionService::Stub::SimulatePolicy, request, kSimulateTimeout));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  Table table({{"AFTER", true}, {"KEPT", true}, {"OLDEST", true}, {"WIDEST GAP", true}});
  for (const v1::SimulatedPoint& point : response.points()) {
    table.AddRow({DurationText(absl::Hours(24) * point.day()), fmt::format("{}", point.kept()),
                  fmt::format("{}d", point.oldest_days()),
                  fmt::format("{}d", point.widest_gap_days())});
  }
  run.output().Print(table);
  run.output().PrintLine(fmt::format("{} taken, at most {} kept at once.",
                                     CountText(response.taken(), "snapshot", "snapshots"),
                                     response.kept_max()));
  return ExitCode::kOk;
}

// The pauses and holds that the reasons speak of.
void PrintWhy(Invocation& run, const v1::ExplainRetentionResponse& response) {
  for (const v1::PruningPause& pause : response.pauses()) {
    run.output().PrintLine(fmt::format(
        "Pruning is paused since {}: {}; {} of 3 normal ones since. `mooring device "
        "resume-pruning {}` accepts it.",
        TimeText(pause.since()), pause.detail(), pause.normal_since(), response.serial()));
  }
  for (const v1::Hold& hold : response.holds()) {
    run.output().PrintLine(fmt::format("On hold by {}: {}", hold.placed_by(), hold.reason()));
  }
  for (const v1::SnapshotPin& pin : response.pins()) {
    run.output().PrintLine(fmt::format("Snapshot {} pinned by {}: {}", ShortId(pin.snapshot_id()),
                                       pin.pinned_by(), pin.reason()));
  }
}

std::string CapturesText(const v1::SnapshotFacts& snapshot) {
  std::vector<std::string> texts;
  for (const v1::CaptureFacts& capture : snapshot.captures()) {
    texts.push_back(
        fmt::format("{} {}", EnumText(capture.kind()), TimeText(capture.completed_at())));
  }
  return absl::StrJoin(texts, ", ");
}

absl::StatusOr<ExitCode> Explain(Invocation& run, const QuestionOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ExplainRetentionRequest request;
  const absl::StatusOr<std::string> snapshot = ResolveSnapshot(*connection, options.subject);
  // The id of a device in full looks the same, and a device's name comes first.
  if (snapshot.ok() && options.subject.size() < kSnapshotIdLength) {
    request.set_snapshot_id(*snapshot);
  } else {
    MOORING_ASSIGN_OR_RETURN(*request.mutable_device(),
                             ResolveDevice(*connection, options.subject));
  }
  auto explained = connection->Call(&v1::RetentionService::Stub::ExplainRetention, request);
  if (absl::IsNotFound(explained.status()) && snapshot.ok() && request.snapshot_id().empty()) {
    request.Clear();
    request.set_snapshot_id(*snapshot);
    explained = connection->Call(&v1::RetentionService::Stub::ExplainRetention, request);
  }
  MOORING_ASSIGN_OR_RETURN(const auto response, std::move(explained));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  Table table({{"SNAPSHOT"}, {"TAKEN"}, {"CAPTURES", false, true}, {"MARK"}, {"WHY", false, true}});
  for (const v1::ExplainedSnapshot& one : response.snapshots()) {
    table.AddRow({ShortId(one.snapshot().snapshot_id()), TimeText(one.snapshot().created_at()),
                  CapturesText(one.snapshot()),
                  one.verdict().keep() ? Cell("keep", Tone::kGood) : Cell("drop", Tone::kBad),
                  ReasonsText(one.verdict().reasons())});
  }
  run.output().Print(table);
  PrintWhy(run, response);
  return ExitCode::kOk;
}

}  // namespace

absl::StatusOr<v1::Policy> ReadPolicyFile(Environment& env, const std::string& file) {
  std::string text;
  if (file == "-") {
    text.assign(kYamlBytesMax + 1, '\0');
    env.in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(env.in.gcount()));
  } else {
    MOORING_ASSIGN_OR_RETURN(text, ReadNamedFile(env, file));
  }
  v1::Policy policy;
  MOORING_RETURN_IF_ERROR(
      Annotate(YamlToMessage(text, policy), file == "-" ? "standard input" : file));
  return policy;
}

void AddPolicyRetention(CommandTree& tree, CLI::App& policy) {
  auto plan = std::make_shared<QuestionOptions>();
  tree.AddVerb(policy,
               {"plan",
                "What a document would change for the snapshots there are; exits 8 if it "
                "drops any",
                "mooring policy plan default.yaml"},
               [plan](Invocation& run) { return Plan(run, *plan); })
      .add_option("FILE", plan->file, "YAML file; - for stdin")
      ->required();
  auto explain = std::make_shared<QuestionOptions>();
  tree.AddVerb(policy,
               {"explain", "Why each snapshot of a phone is kept, or would go",
                "mooring policy explain 00008120-001A34E61EE8201E"},
               [explain](Invocation& run) { return Explain(run, *explain); })
      .add_option("SUBJECT", explain->subject,
                  "UDID, serial number or id of a device, or id of a snapshot")
      ->required();
  auto simulate = std::make_shared<QuestionOptions>();
  CLI::App& simulate_verb =
      tree.AddVerb(policy,
                   {"simulate", "How many snapshots a document keeps over the years",
                    "mooring policy simulate default.yaml --backups-per-week 5 --years 3"},
                   [simulate](Invocation& run) { return Simulate(run, *simulate); });
  simulate_verb.add_option("FILE", simulate->file, "YAML file; - for stdin")->required();
  simulate_verb.add_option("--backups-per-week", simulate->backups_per_week, "full ones, 1 to 21")
      ->check(CLI::Range(1, 21))
      ->capture_default_str();
  simulate_verb
      .add_option("--photos-per-week", simulate->photos_per_week, "of photos alone, 0 to 21")
      ->check(CLI::Range(0, 21))
      ->capture_default_str();
  simulate_verb.add_option("--years", simulate->years, "1 to 10")
      ->check(CLI::Range(1, 10))
      ->capture_default_str();
}

}  // namespace mooring::admin
