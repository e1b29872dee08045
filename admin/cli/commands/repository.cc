// mooring repository prune

#include <memory>
#include <string>

#include <absl/strings/str_join.h>
#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/commands/repository_care.h"
#include "admin/cli/commands/repository_collection.h"
#include "admin/cli/resolve.h"
#include "admin/cli/text.h"
#include "mooring/v1/repository.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

// Pruning a large fleet is one transaction per device.
constexpr absl::Duration kPruneTimeout = absl::Minutes(30);

struct PruneOptions {
  bool plan = false;
  bool yes = false;
  std::string device;
};

void PrintMarks(Invocation& run, const v1::PruneRepositoryResponse& response) {
  Table table({{"SNAPSHOT"}, {"SERIAL"}, {"TAKEN"}, {"AGE", true}, {"MARK"}, {"WHY", false, true}});
  for (const v1::SnapshotMark& mark : response.marks()) {
    table.AddRow({ShortId(mark.snapshot_id()), mark.serial(), TimeText(mark.created_at()),
                  DurationText(ToTime(response.as_of()) - ToTime(mark.created_at())),
                  mark.keep() ? Cell("keep", Tone::kGood) : Cell("drop", Tone::kBad),
                  absl::StrJoin(mark.reasons(), ", ")});
  }
  run.output().Print(table);
}

// What the totals do not tell.
void PrintRemarks(Invocation& run, const v1::PruneRepositoryResponse& response) {
  for (const v1::PruningPause& pause : response.pauses()) {
    run.output().PrintLine(
        fmt::format("Paused since {}: {}.", TimeText(pause.since()), pause.detail()));
  }
  if (response.deferred() > 0) {
    run.output().PrintLine(
        fmt::format("{} more for the next round: one drops only so many.", response.deferred()));
  }
  if (!response.refused().empty()) {
    run.output().PrintLine(fmt::format("Nothing would be dropped now: {}.", response.refused()));
  }
}

// True if a person at the terminal typed yes.
bool Confirmed(Invocation& run, std::uint64_t dropped) {
  run.output().Note(fmt::format("This drops {}. Type yes to go on:",
                                CountText(dropped, "snapshot", "snapshots")));
  std::string answer;
  std::getline(run.env().in, answer);
  return answer == "yes";
}

absl::StatusOr<ExitCode> Prune(Invocation& run, const PruneOptions& options) {
  const bool can_ask = run.env().in_is_terminal && !run.output().is_structured();
  if (!options.plan && !options.yes && !can_ask) {
    return absl::InvalidArgumentError(
        "nobody is here to confirm; look at it with --plan, then give --yes");
  }
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::PruneRepositoryRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_device(), ResolveDevice(*connection, options.device));
  if (!options.plan && !options.yes) {
    request.set_plan(true);
    MOORING_ASSIGN_OR_RETURN(
        const auto plan,
        connection->Call(&v1::RepositoryService::Stub::PruneRepository, request, kPruneTimeout));
    PrintMarks(run, plan);
    if (!Confirmed(run, plan.dropped())) {
      run.output().Note("Nothing was dropped.");
      return ExitCode::kWaitingForApproval;
    }
  }
  request.set_plan(options.plan);
  MOORING_ASSIGN_OR_RETURN(
      const auto response,
      connection->Call(&v1::RepositoryService::Stub::PruneRepository, request, kPruneTimeout));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  PrintMarks(run, response);
  run.output().PrintLine(
      fmt::format("{} {}, {} {}.", response.kept(), response.applied() ? "kept" : "would be kept",
                  response.dropped(), response.applied() ? "dropped" : "would be dropped"));
  PrintRemarks(run, response);
  return ExitCode::kOk;
}

}  // namespace

void AddRepositoryCommands(CommandTree& tree) {
  CLI::App& repository = tree.AddNoun("repository", "The store as a whole");
  auto options = std::make_shared<PruneOptions>();
  CLI::App& prune = tree.AddVerb(repository,
                                 {"prune", "Drop the snapshots that no retention rule keeps",
                                  "mooring repository prune --plan"},
                                 [options](Invocation& run) { return Prune(run, *options); });
  prune.add_flag("--plan", options->plan, "change nothing; say what would happen and why");
  prune.add_flag("--yes", options->yes, "do not ask");
  prune.add_option("--device", options->device, "only this device: UDID, serial number or id");
  AddRepositoryCareVerbs(tree, repository);
  AddCollectionCommands(tree, repository);
}

}  // namespace mooring::admin
