#include "admin/cli/commands/repository_collection.h"

#include <memory>
#include <string>

#include <fmt/format.h>

#include "admin/cli/commands/repository_care.h"
#include "admin/cli/text.h"
#include "mooring/v1/collection.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

struct GcOptions {
  bool plan = false;
  bool ignore_share = false;
  bool clear_stop = false;
  std::string reason;
};

std::string Of(const v1::ChunkFigures& figures) {
  return fmt::format("{} in {}", BytesText(figures.bytes()),
                     CountText(figures.chunks(), "chunk", "chunks"));
}

std::string Of(const v1::ObjectFigures& figures, std::string_view one = "object",
               std::string_view many = "objects") {
  return fmt::format("{} in {}", BytesText(figures.bytes()),
                     CountText(figures.objects(), one, many));
}

std::string Packs(const v1::ObjectFigures& figures) {
  return Of(figures, "pack", "packs");
}

// Every byte of the store, and whether they add up.
void AddStock(Table& table, const v1::RepositoryStock& stock) {
  table.AddRow({"live", Of(stock.live())});
  table.AddRow({"condemned", Of(stock.condemned())});
  table.AddRow({"doomed", Of(stock.doomed())});
  table.AddRow(
      {"lost", Cell(Of(stock.lost()), stock.lost().chunks() > 0 ? Tone::kBad : Tone::kPlain)});
  table.AddRow({"pack overhead", BytesText(stock.pack_overhead_bytes())});
  table.AddRow({"staged", Packs(stock.staged())});
  table.AddRow({"orphans", Packs(stock.orphans())});
  table.AddRow({"records", Of(stock.records())});
  table.AddRow({"other objects", Of(stock.others())});
  table.AddRow({"store", Of(stock.store())});
  if (stock.missing_packs().objects() > 0) {
    table.AddRow({"missing", Cell(Packs(stock.missing_packs()), Tone::kBad)});
  }
  if (stock.damaged_chunks() > 0) {
    table.AddRow(
        {"damaged", Cell(CountText(stock.damaged_chunks(), "referenced chunk", "referenced chunks"),
                         Tone::kBad)});
  }
  table.AddRow({"accounting", stock.adds_up() ? Cell("adds up", Tone::kGood)
                                              : Cell("does not add up", Tone::kBad)});
}

void PrintStatus(Invocation& run, const v1::GetRepositoryStatusResponse& status) {
  Table table = FieldTable();
  table.AddRow(
      {"collection",
       !status.recovery_reason().empty() ? Cell("RECOVERY: " + status.recovery_reason(), Tone::kBad)
       : !status.stop_reason().empty()
           ? Cell(
                 fmt::format("stopped {}: {}", TimeText(status.stopped_at()), status.stop_reason()),
                 Tone::kBad)
       : !status.collecting_on().empty() ? Cell("runs on " + status.collecting_on())
                                         : Cell("idle")});
  table.AddRow({"snapshots", fmt::format("{}", status.snapshots())});
  table.AddRow({"epoch", fmt::format("{}", status.epoch())});
  table.AddRow({"generation", fmt::format("{}", status.generation())});
  table.AddRow({"chunks live", Of(status.live())});
  table.AddRow({"condemned", Of(status.condemned())});
  table.AddRow({"doomed", Of(status.doomed())});
  table.AddRow({"lost", Of(status.lost())});
  run.output().Print(table);
  if (!status.has_last_round()) {
    run.output().PrintLine("No round of collection has been completed yet.");
    return;
  }
  const v1::CollectionReport& last = status.last_round();
  run.output().PrintLine(
      fmt::format("Last round {}; what it found then:", TimeText(last.finished_at())));
  Table stock = FieldTable();
  AddStock(stock, last.stock());
  run.output().Print(stock);
  for (const std::string& note : last.notes()) run.output().PrintLine("Note: " + note);
}

void PrintReport(Invocation& run, const v1::CollectionReport& report) {
  const bool plan = report.is_plan();
  Table table = FieldTable();
  const auto row = [&](const char* done, const char* planned, const std::string& text) {
    table.AddRow({plan ? planned : done, text});
  };
  row("condemned", "would condemn", Of(report.condemned()));
  row("doomed", "would doom", Of(report.doomed()));
  row("packs doomed", "packs without use", Packs(report.packs_doomed()));
  row("removed", "would remove", Packs(report.packs_removed()));
  row("compacted", "would compact", Packs(report.packs_compacted()));
  row("into", "into", Packs(report.packs_made()));
  row("orphans removed", "orphans to remove", Packs(report.orphans_removed()));
  if (!plan) table.AddRow({"records removed", Of(report.records_removed())});
  table.AddRow({"waiting", Packs(report.packs_waiting())});
  if (report.packs_locked().objects() > 0) {
    table.AddRow({"locked in the store", Packs(report.packs_locked())});
  }
  if (report.packs_over_share().objects() > 0) {
    table.AddRow({"over the day's share", Packs(report.packs_over_share())});
  }
  if (report.packs_named().objects() > 0) {
    table.AddRow({"named by lone records", Packs(report.packs_named())});
  }
  run.output().Print(table);
  run.output().PrintLine(plan ? "The store now:" : "The store as the round found it:");
  Table stock = FieldTable();
  AddStock(stock, report.stock());
  run.output().Print(stock);
  for (const std::string& note : report.notes()) run.output().PrintLine("Note: " + note);
}

absl::StatusOr<ExitCode> Status(Invocation& run) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(const auto status,
                           connection->Call(&v1::CollectionService::Stub::GetRepositoryStatus,
                                            v1::GetRepositoryStatusRequest()));
  const bool is_bad = !status.stop_reason().empty() || !status.recovery_reason().empty();
  ExitCode health = ExitCode::kOk;
  if (run.output().is_structured()) {
    run.output().Print(status);
  } else {
    PrintStatus(run, status);
    MOORING_ASSIGN_OR_RETURN(health, PrintHealth(run));
  }
  return is_bad ? ExitCode::kIntegrity : health;
}

absl::StatusOr<ExitCode> Clear(Invocation& run, const GcOptions& options) {
  if (options.reason.empty()) {
    return absl::InvalidArgumentError("--clear-stop needs a --reason, for the audit log");
  }
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ClearCollectionStopRequest request;
  request.set_reason(options.reason);
  MOORING_ASSIGN_OR_RETURN(
      const auto response,
      connection->Call(&v1::CollectionService::Stub::ClearCollectionStop, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
  } else {
    run.output().Note("Collection goes on with its next round.");
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Gc(Invocation& run, const GcOptions& options) {
  if (options.clear_stop) return Clear(run, options);
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::CollectGarbageRequest request;
  request.set_plan(options.plan);
  request.set_ignore_share(options.ignore_share);
  auto stream = connection->Stream(&v1::CollectionService::Stub::CollectGarbage, request);
  v1::CollectGarbageResponse message;
  v1::CollectionReport report;
  while (stream.Read(message)) {
    if (message.has_report()) {
      report = message.report();
      continue;
    }
    const v1::CollectionProgress& progress = message.progress();
    run.output().Progress(
        progress.total() > 0
            ? fmt::format("{}: {} of {}", progress.step(), progress.done(), progress.total())
            : fmt::format("{}: {}", progress.step(), progress.done()));
  }
  run.output().EndProgress();
  if (const absl::Status ended = stream.Finish(); !ended.ok()) return connection->Explain(ended);
  if (run.output().is_structured()) {
    run.output().Print(report);
  } else {
    PrintReport(run, report);
  }
  return report.stock().missing_packs().objects() > 0 ? ExitCode::kIntegrity : ExitCode::kOk;
}

}  // namespace

void AddCollectionCommands(CommandTree& tree, CLI::App& repository) {
  tree.AddVerb(repository,
               {"status", "What the store holds, by what it is for, and how collection stands",
                "mooring repository status"},
               [](Invocation& run) { return Status(run); });
  auto options = std::make_shared<GcOptions>();
  CLI::App& gc = tree.AddVerb(repository,
                              {"gc", "Collect garbage: one round, or what a round would do",
                               "mooring repository gc --plan"},
                              [options](Invocation& run) { return Gc(run, *options); });
  gc.add_flag("--plan", options->plan, "change nothing; say what a round would do");
  gc.add_flag("--ignore-share", options->ignore_share,
              "remove everything that is due, however much of the store it is");
  gc.add_flag("--clear-stop", options->clear_stop,
              "let collection go on after an integrity stop or a wrong clock");
  gc.add_option("--reason", options->reason, "why, for the audit log");
}

}  // namespace mooring::admin
