// mooring drill run|list

#include <memory>
#include <string>

#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/resolve.h"
#include "admin/cli/text.h"
#include "mooring/v1/care.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

struct DrillOptions {
  std::uint32_t count = 1;
  std::uint32_t limit = 100;
  std::string device;
  std::string snapshot;
};

Cell ResultCell(v1::DrillResult result) {
  const Tone tone = result == v1::DRILL_RESULT_PASSED   ? Tone::kGood
                    : result == v1::DRILL_RESULT_FAILED ? Tone::kBad
                                                        : Tone::kWarning;
  return {EnumText(result), tone};
}

template <typename Drills>
void PrintDrills(Invocation& run, const Drills& drills) {
  Table table({{"SNAPSHOT"},
               {"SERIAL"},
               {"RUN"},
               {"BY"},
               {"TOOK", true},
               {"RESULT"},
               {"FILES", true},
               {"SIZE", true},
               {"WHY", false, true}});
  for (const v1::Drill& drill : drills) {
    table.AddRow({ShortId(drill.snapshot_id()), drill.serial(),
                  AgeText(drill.started_at(), run.now()), drill.requested_by(),
                  DurationText(ToTime(drill.finished_at()) - ToTime(drill.started_at())),
                  ResultCell(drill.result()), fmt::format("{}", drill.file_count()),
                  BytesText(drill.bytes()), drill.message()});
  }
  run.output().Print(table);
}

// 9 where content is damaged, 3 where a drill could not say.
ExitCode CodeOf(const v1::RunDrillResponse& response) {
  ExitCode code = ExitCode::kOk;
  for (const v1::Drill& drill : response.drills()) {
    if (drill.result() == v1::DRILL_RESULT_FAILED) return ExitCode::kIntegrity;
    if (drill.result() != v1::DRILL_RESULT_PASSED) code = ExitCode::kPartial;
  }
  return code;
}

absl::StatusOr<ExitCode> Run(Invocation& run, const DrillOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::RunDrillRequest request;
  request.set_count(options.count);
  MOORING_ASSIGN_OR_RETURN(*request.mutable_device(), ResolveDevice(*connection, options.device));
  if (!options.snapshot.empty()) {
    MOORING_ASSIGN_OR_RETURN(*request.mutable_snapshot_id(),
                             ResolveSnapshot(*connection, options.snapshot));
  }
  auto stream = connection->Stream(&v1::CareService::Stub::RunDrill, request);
  v1::RunDrillResponse last;
  v1::RunDrillResponse message;
  while (stream.Read(message)) {
    last = message;
    run.output().Progress(fmt::format("drill {} of {}: {}, {}", last.drills_done() + 1,
                                      last.drills_total(), CountText(last.files(), "file", "files"),
                                      BytesText(last.bytes())));
  }
  run.output().EndProgress();
  const absl::Status finished = stream.Finish();
  if (!finished.ok()) return connection->Explain(finished);
  if (run.output().is_structured()) {
    run.output().Print(last);
    return CodeOf(last);
  }
  if (last.drills_size() == 0) {
    run.output().PrintLine("There is no snapshot to drill.");
    return ExitCode::kOk;
  }
  PrintDrills(run, last.drills());
  return CodeOf(last);
}

absl::StatusOr<ExitCode> List(Invocation& run, const DrillOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ListDrillsRequest request;
  request.set_limit(options.limit);
  MOORING_ASSIGN_OR_RETURN(*request.mutable_device(), ResolveDevice(*connection, options.device));
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::CareService::Stub::ListDrills, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  PrintDrills(run, response.drills());
  return ExitCode::kOk;
}

}  // namespace

void AddDrillCommands(CommandTree& tree) {
  CLI::App& drill = tree.AddNoun("drill", "Restore drills and their evidence");
  auto options = std::make_shared<DrillOptions>();
  CLI::App& run = tree.AddVerb(
      drill,
      {"run", "Decrypt snapshots to nothing and compare every file", "mooring drill run --count 3"},
      [options](Invocation& invocation) { return Run(invocation, *options); });
  run.add_option("--count", options->count, "random snapshots; 1 if left out")
      ->check(CLI::Range(1, 1000));
  run.add_option("--device", options->device, "only this device: UDID, serial number or id");
  run.add_option("--snapshot", options->snapshot, "this snapshot");
  CLI::App& list =
      tree.AddVerb(drill, {"list", "The drills that were run, newest first", "mooring drill list"},
                   [options](Invocation& invocation) { return List(invocation, *options); });
  list.add_option("--device", options->device, "only this device: UDID, serial number or id");
  list.add_option("--limit", options->limit, "at most so many; 100 if left out")
      ->check(CLI::Range(1, 10000));
}

}  // namespace mooring::admin
