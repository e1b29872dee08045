// mooring hold create|list|release|confirm

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/resolve.h"
#include "admin/cli/text.h"
#include "mooring/v1/retention.grpc.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

struct HoldOptions {
  std::string id;
  std::string device;
  std::string person;
  std::string reason;
  bool all = false;
};

std::string SubjectOf(const v1::Hold& hold) {
  return hold.device_id().empty() ? "person " + hold.person_handle() : "device " + hold.serial();
}

absl::StatusOr<std::string> ResolveHold(Connection& connection, const std::string& text) {
  return ResolveId(text, "hold", [&]() -> absl::StatusOr<std::vector<std::string>> {
    v1::ListHoldsRequest request;
    request.set_all(true);
    MOORING_ASSIGN_OR_RETURN(const auto response,
                             connection.Call(&v1::RetentionService::Stub::ListHolds, request));
    std::vector<std::string> ids;
    for (const v1::Hold& hold : response.holds()) ids.push_back(hold.id());
    return ids;
  });
}

absl::StatusOr<ExitCode> Create(Invocation& run, const HoldOptions& options) {
  if (options.device.empty() == options.person.empty()) {
    return absl::InvalidArgumentError("name either --device or --person");
  }
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::CreateHoldRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_device(), ResolveDevice(*connection, options.device));
  request.set_person_handle(options.person);
  request.set_reason(options.reason);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::RetentionService::Stub::CreateHold, request));
  if (run.output().is_structured()) {
    run.output().Print(response.hold());
    return ExitCode::kOk;
  }
  run.output().PrintLine(ToHex(AsBytes(response.hold().id())));
  run.output().Note(
      fmt::format("{} of {} kept from now on, and all that come.",
                  CountText(response.hold().snapshot_count(), "snapshot", "snapshots"),
                  SubjectOf(response.hold())));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> List(Invocation& run, const HoldOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ListHoldsRequest request;
  request.set_all(options.all);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::RetentionService::Stub::ListHolds, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  Table table({{"ID"},
               {"ON", false, true},
               {"SNAPSHOTS", true},
               {"PLACED"},
               {"BY"},
               {"RELEASED"},
               {"REASON", false, true}});
  for (const v1::Hold& hold : response.holds()) {
    table.AddRow(
        {ShortId(hold.id()), SubjectOf(hold),
         hold.has_released_at() ? "-" : fmt::format("{}", hold.snapshot_count()),
         AgeText(hold.placed_at(), run.now()), hold.placed_by(),
         hold.has_released_at()
             ? fmt::format("{} by {}", AgeText(hold.released_at(), run.now()), hold.released_by())
             : "-",
         hold.reason()});
  }
  run.output().Print(table);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Release(Invocation& run, const HoldOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ReleaseHoldRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_hold_id(), ResolveHold(*connection, options.id));
  request.set_reason(options.reason);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::RetentionService::Stub::ReleaseHold, request));
  const std::string id = ToHex(AsBytes(response.request_id()));
  if (run.output().is_structured()) {
    run.output().Print(response);
  } else {
    run.output().PrintLine(id);
  }
  run.output().Note("The hold stands until this is approved:");
  run.output().Note("  mooring request approve " + id);
  return ExitCode::kWaitingForApproval;
}

absl::StatusOr<ExitCode> Confirm(Invocation& run, const HoldOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ConfirmHoldsRequest request;
  request.set_reason(options.reason);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::RetentionService::Stub::ConfirmHolds, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
  } else {
    run.output().PrintLine(response.unchanged() ? "Pruning was not stopped."
                                                : "Pruning goes on with its next round.");
  }
  return ExitCode::kOk;
}

}  // namespace

void AddHoldCommands(CommandTree& tree) {
  CLI::App& hold = tree.AddNoun("hold", "Orders that nothing be deleted");
  auto create = std::make_shared<HoldOptions>();
  CLI::App& create_verb =
      tree.AddVerb(hold,
                   {"create", "Keep every snapshot of a phone or of a person",
                    "mooring hold create --person iris --reason 'case 2026-14'"},
                   [create](Invocation& run) { return Create(run, *create); });
  create_verb.add_option("--device", create->device, "UDID, serial number or id");
  create_verb.add_option("--person", create->person, "handle of the person");
  create_verb.add_option("--reason", create->reason, "for the audit record")->required();

  auto list = std::make_shared<HoldOptions>();
  tree.AddVerb(hold, {"list", "Holds that stand", "mooring hold list"},
               [list](Invocation& run) { return List(run, *list); })
      .add_flag("--all", list->all, "also those that were released");

  auto release = std::make_shared<HoldOptions>();
  CLI::App& release_verb =
      tree.AddVerb(hold,
                   {"release", "Ask for the end of a hold; another person approves it",
                    "mooring hold release 3f9a1c --reason 'case closed'"},
                   [release](Invocation& run) { return Release(run, *release); });
  release_verb.add_option("ID", release->id, "id of the hold")->required();
  release_verb.add_option("--reason", release->reason, "for the approver and the audit record")
      ->required();

  auto confirm = std::make_shared<HoldOptions>();
  tree.AddVerb(hold,
               {"confirm", "After a rebuild: the holds are all there, pruning may go on",
                "mooring hold confirm --reason 'compared with the legal register'"},
               [confirm](Invocation& run) { return Confirm(run, *confirm); })
      .add_option("--reason", confirm->reason, "for the audit record")
      ->required();
}

}  // namespace mooring::admin
