#include "admin/cli/commands/repository_care.h"

#include <memory>
#include <string>

#include <fmt/format.h>

#include "admin/cli/text.h"
#include "mooring/v1/care.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

// A catalog of a large fleet takes a while to read.
constexpr absl::Duration kExportTimeout = absl::Hours(2);
// As the alert MooringReplicaBehind has it.
constexpr absl::Duration kReplicaLate = absl::Hours(24);

struct CareCommandOptions {
  bool all = false;
  bool full = false;
  bool resolved = false;
  bool confirm = false;
  bool reconcile = false;
  bool list = false;
  std::string action = "status";
};

Cell CountCell(std::uint64_t count) {
  return {fmt::format("{}", count), count == 0 ? Tone::kGood : Tone::kBad};
}

void PrintFindings(Invocation& run, const v1::GetRepositoryHealthResponse& health) {
  if (health.findings_size() == 0) return;
  Table table({{"FOUND"}, {"WHAT"}, {"WHERE"}, {"WHY", false, true}, {"RESOLVED"}});
  for (const v1::CareFinding& finding : health.findings()) {
    table.AddRow({AgeText(finding.found_at(), run.now()), EnumText(finding.kind()),
                  finding.subject(), finding.message(),
                  finding.has_resolved_at() ? Cell(finding.resolution(), Tone::kGood)
                                            : Cell("open", Tone::kBad)});
  }
  run.output().Print(table);
}

void PrintReplica(Invocation& run, const v1::GetRepositoryHealthResponse& health, Table& table) {
  if (!health.has_replica()) {
    table.AddRow({"replica", Cell("none", Tone::kWarning)});
    return;
  }
  const v1::ReplicaHealth& replica = health.replica();
  table.AddRow({"replica", replica.location()});
  table.AddRow({"  complete as of", AgeText(replica.synced_at(), run.now())});
  table.AddRow(
      {"  behind", replica.packs_behind() == 0
                       ? Cell("nothing", Tone::kGood)
                       : Cell(fmt::format("{}, {}, the oldest made {}",
                                          CountText(replica.packs_behind(), "pack", "packs"),
                                          BytesText(replica.bytes_behind()),
                                          AgeText(replica.behind_since(), run.now())),
                              Tone::kWarning)});
}

absl::StatusOr<v1::GetRepositoryHealthResponse> GetHealth(Invocation& run, bool resolved) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::GetRepositoryHealthRequest request;
  request.set_with_resolved_findings(resolved);
  return connection->Call(&v1::CareService::Stub::GetRepositoryHealth, request);
}

// 9 where content is lost, 8 where something else is wrong.
ExitCode CodeOf(const v1::GetRepositoryHealthResponse& health) {
  if (health.lost_chunks() > 0 || health.damaged_snapshots() > 0) return ExitCode::kIntegrity;
  for (const v1::CareFinding& finding : health.findings()) {
    if (!finding.has_resolved_at()) return ExitCode::kFindings;
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Status(Invocation& run, const CareCommandOptions& options) {
  MOORING_ASSIGN_OR_RETURN(const auto health, GetHealth(run, options.resolved));
  if (run.output().is_structured()) {
    run.output().Print(health);
    return CodeOf(health);
  }
  Table table = FieldTable();
  if (health.has_unconfirmed_rebuild_at()) {
    table.AddRow({"rebuilt", Cell(fmt::format("{}; nothing is deleted until `mooring repository "
                                              "rebuild --confirm`",
                                              AgeText(health.unconfirmed_rebuild_at(), run.now())),
                                  Tone::kWarning)});
  }
  table.AddRow({"packs", fmt::format("{}", health.packs())});
  table.AddRow({"  never verified", fmt::format("{}", health.packs_never_scrubbed())});
  table.AddRow({"  verified longest ago",
                fmt::format("{} (all within {} days)", AgeText(health.oldest_scrub_at(), run.now()),
                            health.scrub_days())});
  table.AddRow({"records and keys checked", AgeText(health.records_checked_at(), run.now())});
  table.AddRow({"lost chunks", CountCell(health.lost_chunks())});
  table.AddRow({"damaged snapshots", CountCell(health.damaged_snapshots())});
  PrintReplica(run, health, table);
  table.AddRow({"catalog export", AgeText(health.exported_at(), run.now())});
  if (health.has_last_drill()) {
    const v1::Drill& drill = health.last_drill();
    table.AddRow(
        {"last drill", Cell(fmt::format("{}, {}", AgeText(drill.started_at(), run.now()),
                                        EnumText(drill.result())),
                            drill.result() == v1::DRILL_RESULT_PASSED ? Tone::kGood : Tone::kBad)});
  } else {
    table.AddRow({"last drill", "never"});
  }
  run.output().Print(table);
  PrintFindings(run, health);
  return CodeOf(health);
}

absl::StatusOr<ExitCode> Scrub(Invocation& run, const CareCommandOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ScrubRepositoryRequest request;
  request.set_all(options.all);
  auto stream = connection->Stream(&v1::CareService::Stub::ScrubRepository, request);
  v1::ScrubRepositoryResponse last;
  v1::ScrubRepositoryResponse message;
  while (stream.Read(message)) {
    last = message;
    run.output().Progress(fmt::format("{} verified, {}, {} bad",
                                      CountText(last.packs_done(), "pack", "packs"),
                                      BytesText(last.bytes()), last.packs_bad()));
  }
  run.output().EndProgress();
  const absl::Status finished = stream.Finish();
  if (!finished.ok()) return connection->Explain(finished);
  if (run.output().is_structured()) {
    run.output().Print(last);
  } else {
    run.output().PrintLine(
        fmt::format("{} and {} in them verified, {} read; {} compared.",
                    CountText(last.packs_done(), "pack", "packs"),
                    CountText(last.chunks(), "chunk", "chunks"), BytesText(last.bytes()),
                    CountText(last.records_checked(), "record or key", "records and keys")));
    if (last.packs_bad() + last.records_bad() > 0) {
      run.output().PrintLine(
          fmt::format("{} bad, {} bad: {} healed, {} written anew, {} LOST.",
                      CountText(last.packs_bad(), "pack", "packs"),
                      CountText(last.records_bad(), "record or key", "records and keys"),
                      CountText(last.chunks_healed(), "chunk", "chunks"), last.records_healed(),
                      CountText(last.chunks_lost(), "chunk", "chunks")));
    }
    if (!last.complete()) run.output().PrintLine("It was stopped; run it again to go on.");
  }
  if (last.chunks_lost() > 0) return ExitCode::kIntegrity;
  if (last.packs_bad() + last.records_bad() > 0) return ExitCode::kFindings;
  return last.complete() ? ExitCode::kOk : ExitCode::kPartial;
}

absl::StatusOr<ExitCode> ReplicaStatus(Invocation& run) {
  MOORING_ASSIGN_OR_RETURN(const auto health, GetHealth(run, false));
  if (run.output().is_structured()) {
    run.output().Print(health.replica());
  } else {
    Table table = FieldTable();
    PrintReplica(run, health, table);
    run.output().Print(table);
  }
  const v1::ReplicaHealth& replica = health.replica();
  const bool is_late =
      replica.packs_behind() > 0 && run.now() - ToTime(replica.behind_since()) > kReplicaLate;
  return is_late ? ExitCode::kFindings : ExitCode::kOk;
}

absl::StatusOr<ExitCode> ReplicaSync(Invocation& run, const CareCommandOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::SyncReplicaRequest request;
  request.set_full(options.full);
  auto stream = connection->Stream(&v1::CareService::Stub::SyncReplica, request);
  v1::SyncReplicaResponse last;
  v1::SyncReplicaResponse message;
  while (stream.Read(message)) {
    last = message;
    run.output().Progress(fmt::format("{} copied, {}, {} left",
                                      CountText(last.packs_copied(), "pack", "packs"),
                                      BytesText(last.bytes_copied()), last.packs_left()));
  }
  run.output().EndProgress();
  const absl::Status finished = stream.Finish();
  if (!finished.ok()) return connection->Explain(finished);
  if (run.output().is_structured()) {
    run.output().Print(last);
  } else {
    run.output().PrintLine(
        fmt::format("{} and {} copied and read back, {}; {} removed.",
                    CountText(last.packs_copied(), "pack", "packs"),
                    CountText(last.objects_copied(), "other object", "other objects"),
                    BytesText(last.bytes_copied()),
                    CountText(last.packs_removed() + last.objects_removed(), "object", "objects")));
    if (last.packs_bad() > 0) {
      run.output().PrintLine(fmt::format(
          "{} bad in the repository itself and not copied: run `mooring repository scrub`.",
          CountText(last.packs_bad(), "pack is", "packs are")));
    }
  }
  if (last.packs_bad() > 0) return ExitCode::kFindings;
  return last.complete() ? ExitCode::kOk : ExitCode::kPartial;
}

absl::StatusOr<ExitCode> Replica(Invocation& run, const CareCommandOptions& options) {
  if (options.action == "status") return ReplicaStatus(run);
  if (options.action == "sync") return ReplicaSync(run, options);
  return absl::InvalidArgumentError("give status or sync");
}

absl::StatusOr<ExitCode> Export(Invocation& run, const CareCommandOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  if (!options.list) {
    MOORING_ASSIGN_OR_RETURN(const auto made,
                             connection->Call(&v1::CareService::Stub::ExportCatalog,
                                              v1::ExportCatalogRequest(), kExportTimeout));
    if (run.output().is_structured()) {
      run.output().Print(made);
    } else {
      run.output().PrintLine(fmt::format(
          "{}: {} of {}, {}.", made.export_().name(), CountText(made.rows(), "row", "rows"),
          CountText(made.tables(), "table", "tables"), BytesText(made.export_().bytes())));
    }
    return ExitCode::kOk;
  }
  MOORING_ASSIGN_OR_RETURN(const auto list,
                           connection->Call(&v1::CareService::Stub::ListCatalogExports,
                                            v1::ListCatalogExportsRequest()));
  if (run.output().is_structured()) {
    run.output().Print(list);
    return ExitCode::kOk;
  }
  Table table({{"OBJECT"}, {"MADE"}, {"SIZE", true}});
  for (const v1::CatalogExport& one : list.exports()) {
    table.AddRow({one.name(), AgeText(one.made_at(), run.now()), BytesText(one.bytes())});
  }
  run.output().Print(table);
  return ExitCode::kOk;
}

// 9 where chunks are lost for now, 8 where something was left out.
absl::StatusOr<ExitCode> Reconcile(Invocation& run) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  auto stream = connection->Stream(&v1::CareService::Stub::ReconcileRepository,
                                   v1::ReconcileRepositoryRequest());
  v1::ReconcileRepositoryResponse last;
  v1::ReconcileRepositoryResponse message;
  while (stream.Read(message)) {
    last = message;
    run.output().Progress(fmt::format("{}: {}", last.step(), last.done()));
  }
  run.output().EndProgress();
  const absl::Status finished = stream.Finish();
  if (!finished.ok()) return connection->Explain(finished);
  if (run.output().is_structured()) {
    run.output().Print(last);
  } else {
    run.output().PrintLine(
        fmt::format("{} came back, {} repeated, {} entered, {} lost.",
                    CountText(last.snapshots_recovered(), "snapshot", "snapshots"),
                    CountText(last.snapshots_deleted(), "deletion", "deletions"),
                    CountText(last.packs(), "pack", "packs"),
                    CountText(last.chunks_lost(), "chunk", "chunks")));
    for (const std::string& remark : last.remarks()) run.output().PrintLine("- " + remark);
    run.output().Note(
        "People, policies and holds of since the copy was made are not known. Compare them, then "
        "run `mooring repository rebuild --confirm`: nothing is deleted before.");
  }
  if (last.chunks_lost() > 0) return ExitCode::kIntegrity;
  return last.remarks_size() > 0 ? ExitCode::kFindings : ExitCode::kOk;
}

absl::StatusOr<ExitCode> Rebuild(Invocation& run, const CareCommandOptions& options) {
  if (options.reconcile && options.confirm) {
    return absl::InvalidArgumentError("--reconcile and --confirm: one after the other");
  }
  if (options.reconcile) return Reconcile(run);
  if (!options.confirm) {
    return absl::InvalidArgumentError(
        "a running server cannot be rebuilt: stop it and see `mooringd rebuild --help`; after "
        "that, "
        "--confirm here lets it delete again");
  }
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(
      const auto response,
      connection->Call(&v1::CareService::Stub::ConfirmRebuild, v1::ConfirmRebuildRequest()));
  if (run.output().is_structured()) {
    run.output().Print(response);
  } else {
    run.output().PrintLine(response.unchanged()
                               ? "There was nothing to confirm."
                               : "Confirmed: retention and collection work again.");
  }
  return ExitCode::kOk;
}

}  // namespace

absl::StatusOr<ExitCode> PrintHealth(Invocation& run) {
  return Status(run, CareCommandOptions());
}

void AddRepositoryCareVerbs(CommandTree& tree, CLI::App& repository) {
  auto options = std::make_shared<CareCommandOptions>();
  CLI::App& status = tree.AddVerb(
      repository, {"health", "How well everything that is stored is", "mooring repository health"},
      [options](Invocation& run) { return Status(run, *options); });
  status.add_flag("--resolved", options->resolved, "findings that are resolved, too");
  CLI::App& scrub = tree.AddVerb(repository,
                                 {"scrub", "Read and verify what is due, and heal what is bad",
                                  "mooring repository scrub --all"},
                                 [options](Invocation& run) { return Scrub(run, *options); });
  scrub.add_flag("--all", options->all, "everything, whatever was read lately");
  CLI::App& replica =
      tree.AddVerb(repository,
                   {"replica", "The second copy: how far it is, and bring it up to date",
                    "mooring repository replica sync"},
                   [options](Invocation& run) { return Replica(run, *options); });
  replica.add_option("action", options->action, "status or sync");
  replica.add_flag("--full", options->full, "with sync: compare what is there already, too");
  CLI::App& make = tree.AddVerb(
      repository,
      {"export", "Write the catalog, sealed, into the object store", "mooring repository export"},
      [options](Invocation& run) { return Export(run, *options); });
  make.add_flag("--list", options->list, "write nothing; list those that are there");
  CLI::App& rebuild = tree.AddVerb(
      repository,
      {"rebuild", "Bring an old catalog up to the store, or confirm one that was rebuilt",
       "mooring repository rebuild --confirm"},
      [options](Invocation& run) { return Rebuild(run, *options); });
  rebuild.add_flag("--reconcile", options->reconcile,
                   "the database was restored from an older copy: bring it up to the store");
  rebuild.add_flag("--confirm", options->confirm, "let retention and collection work again");
}

}  // namespace mooring::admin
