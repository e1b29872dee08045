// mooring server status

#include <string>

#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/text.h"
#include "mooring/v1/fleet.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

Cell PruningCell(const v1::PruneStatus& status, absl::Time now) {
  if (!status.stopped().empty()) {
    return {fmt::format("STOPPED: {}; then `mooring hold confirm`", status.stopped()), Tone::kBad};
  }
  if (!status.refused().empty()) {
    return {fmt::format("REFUSED {}: {}", AgeText(status.refused_at(), now), status.refused()),
            Tone::kBad};
  }
  if (!status.has_last_run_at()) return "no round yet";
  const std::uint64_t paused = status.paused_shrunk() + status.paused_lost_categories();
  const bool is_plain = paused == 0 && status.failed() == 0 && status.deferred() == 0;
  return {fmt::format("{}: {} dropped, {} left for the next round, {} failed; {} paused",
                      AgeText(status.last_run_at(), now), status.dropped(), status.deferred(),
                      status.failed(), CountText(paused, "device", "devices")),
          is_plain ? Tone::kPlain : Tone::kWarning};
}

Cell ServerCell(const v1::ServerInfo& server, absl::Time now) {
  const std::string self = server.self() ? ", this one" : "";
  if (!server.alive()) {
    return {fmt::format("{}: away, last heard from {}", server.agents(),
                        AgeText(server.heard_at(), now)),
            Tone::kBad};
  }
  return fmt::format("{}: {}, {}{}", server.agents(), server.version(),
                     CountText(server.agents_online(), "agent", "agents"), self);
}

absl::StatusOr<ExitCode> ShowStatus(Invocation& run) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(
      const auto status,
      connection->Call(&v1::FleetService::Stub::GetServerStatus, v1::GetServerStatusRequest()));
  if (run.output().is_structured()) {
    run.output().Print(status);
    return ExitCode::kOk;
  }
  Table table = FieldTable();
  table.AddRow({"organization", status.organization()});
  table.AddRow({"server", connection->server()});
  table.AddRow({"version", status.version()});
  table.AddRow({"running since", fmt::format("{} ({})", TimeText(status.started_at()),
                                             AgeText(status.started_at(), run.now()))});
  table.AddRow({"approval", status.single_admin() ? Cell("single admin: people may approve "
                                                         "their own requests",
                                                         Tone::kWarning)
                                                  : Cell("two people")});
  table.AddRow({"people", fmt::format("{}", status.person_count())});
  table.AddRow({"devices", fmt::format("{}", status.device_count())});
  table.AddRow(
      {"agents", fmt::format("{}, {} online", status.agent_count(), status.agents_online())});
  table.AddRow({"snapshots", fmt::format("{}", status.snapshot_count())});
  table.AddRow({"sessions", fmt::format("{} of {} running, {} queued", status.sessions_running(),
                                        status.sessions_max(), status.sessions_queued())});
  table.AddRow({"backed up", BytesText(status.logical_bytes())});
  table.AddRow({"stored", BytesText(status.stored_bytes())});
  const bool at_reserve = status.store_free_bytes() <= status.store_reserve_bytes();
  table.AddRow(
      {"store", Cell(fmt::format("{}; new backups are refused below {}",
                                 RoomText(status.store_free_bytes(), status.store_total_bytes()),
                                 BytesText(status.store_reserve_bytes())),
                     at_reserve ? Tone::kBad : Tone::kPlain)});
  table.AddRow({"pruning", PruningCell(status.pruning(), run.now())});
  if (status.servers_size() > 1) {
    for (const v1::ServerInfo& server : status.servers()) {
      table.AddRow({fmt::format("server {}", server.name()), ServerCell(server, run.now())});
    }
  }
  table.AddRow({"database", status.database()});
  table.AddRow({"repository", status.repository()});
  run.output().Print(table);
  return ExitCode::kOk;
}

}  // namespace

void AddServerCommands(CommandTree& tree) {
  CLI::App& server = tree.AddNoun("server", "The server itself");
  tree.AddVerb(server,
               {"status", "What it holds, how full it is and what runs", "mooring server status"},
               ShowStatus);
}

}  // namespace mooring::admin
