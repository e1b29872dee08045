// mooring snapshot list|get|verify|delete

#include <algorithm>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/commands/snapshot_export.h"
#include "admin/cli/commands/snapshot_pin.h"
#include "admin/cli/resolve.h"
#include "admin/cli/text.h"
#include "mooring/cli/v1/cli.pb.h"
#include "mooring/v1/fleet.grpc.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

// Damaged chunks that are named.
constexpr int kDamagedNamedMax = 1000;

struct SnapshotOptions {
  std::string id;
  std::string device;
  std::string person;
  std::string reason;
};

std::string CapturesOf(const v1::Snapshot& snapshot) {
  std::string text;
  for (const v1::Capture& capture : snapshot.captures()) {
    text += (text.empty() ? "" : "+") + EnumText(capture.kind());
  }
  return text.empty() ? "-" : text;
}

Cell VerifiedCell(const v1::Snapshot& snapshot, absl::Time now) {
  if (snapshot.damaged_chunks() > 0) {
    return {fmt::format("DAMAGED: {} chunks", snapshot.damaged_chunks()), Tone::kBad};
  }
  if (!snapshot.has_verified_at()) return "never";
  return {AgeText(snapshot.verified_at(), now), Tone::kGood};
}

std::string GapText(v1::GapReason reason) {
  switch (reason) {
    case v1::GAP_REASON_VANISHED:
      return "gone before it was read";
    case v1::GAP_REASON_REFUSED:
      return "the phone did not let it be read; an earlier copy is kept";
    case v1::GAP_REASON_CHANGED:
      return "it changed while it was read";
    case v1::GAP_REASON_NOT_STORABLE:
      return "a name, size or kind that cannot be stored";
    case v1::GAP_REASON_FAILED:
      return "the phone failed; an earlier copy is kept";
    default:
      return EnumText(reason);
  }
}

absl::StatusOr<ExitCode> List(Invocation& run, const SnapshotOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ListSnapshotsRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_device(), ResolveDevice(*connection, options.device));
  request.set_person_handle(options.person);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::ListSnapshots, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  Table table({{"ID"},
               {"SERIAL"},
               {"PERSON", false, true},
               {"NUMBER", true},
               {"TAKEN"},
               {"CAPTURES"},
               {"FILES", true},
               {"SIZE", true},
               {"READ", true},
               {"NEW", true},
               {"VERIFIED"}});
  for (const v1::Snapshot& snapshot : response.snapshots()) {
    table.AddRow({ShortId(snapshot.id()), snapshot.serial(), snapshot.person_handle(),
                  fmt::format("{}", snapshot.sequence()), AgeText(snapshot.created_at(), run.now()),
                  CapturesOf(snapshot), fmt::format("{}", snapshot.file_count()),
                  BytesText(snapshot.logical_bytes()), BytesText(snapshot.read_bytes()),
                  BytesText(snapshot.new_bytes()), VerifiedCell(snapshot, run.now())});
  }
  run.output().Print(table);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Get(Invocation& run, const SnapshotOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::GetSnapshotRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_snapshot_id(),
                           ResolveSnapshot(*connection, options.id));
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::GetSnapshot, request));
  const v1::Snapshot& snapshot = response.snapshot();
  if (run.output().is_structured()) {
    run.output().Print(snapshot);
    return ExitCode::kOk;
  }
  Table table = FieldTable();
  table.AddRow({"id", ToHex(AsBytes(snapshot.id()))});
  table.AddRow({"device", fmt::format("{} ({})", snapshot.serial(), snapshot.device_name())});
  table.AddRow({"person", snapshot.person_handle()});
  table.AddRow({"number", fmt::format("{}", snapshot.sequence())});
  table.AddRow({"taken", fmt::format("{} ({})", TimeText(snapshot.created_at()),
                                     AgeText(snapshot.created_at(), run.now()))});
  table.AddRow({"parent", snapshot.parent_id().empty() ? "none: a full upload"
                                                       : ToHex(AsBytes(snapshot.parent_id()))});
  for (const v1::Capture& capture : snapshot.captures()) {
    table.AddRow(
        {EnumText(capture.kind()),
         fmt::format("{}, {} files, {}, {}", EnumText(capture.result()), capture.file_count(),
                     BytesText(capture.logical_bytes()), TimeText(capture.completed_at()))});
    for (const v1::GapCount& gap : capture.gaps()) {
      table.AddRow({"  gap",
                    {fmt::format("{}: {}", CountText(gap.count(), "file or list", "files or lists"),
                                 GapText(gap.reason())),
                     Tone::kWarning}});
    }
    if (capture.gaps_size() > 0) {
      table.AddRow({"  gaps by path", "in records/gaps.json of an export: the paths are content"});
    }
    for (const std::string& remark : capture.remarks()) table.AddRow({"  remark", remark});
  }
  if (snapshot.has_pin()) {
    table.AddRow(
        {"pinned",
         fmt::format("by {}{}: {}", snapshot.pin().pinned_by(),
                     snapshot.pin().has_until() ? " until " + TimeText(snapshot.pin().until()) : "",
                     snapshot.pin().reason())});
  }
  for (const v1::Hold& hold : snapshot.holds()) {
    table.AddRow({"on hold", fmt::format("by {}: {}", hold.placed_by(), hold.reason())});
  }
  table.AddRow({"size", fmt::format("{} files, {}", snapshot.file_count(),
                                    BytesText(snapshot.logical_bytes()))});
  table.AddRow({"read from the phone", BytesText(snapshot.read_bytes())});
  table.AddRow({"added to the store", BytesText(snapshot.new_bytes())});
  table.AddRow({"references", fmt::format("{} chunks, {}", snapshot.chunk_count(),
                                          BytesText(snapshot.referenced_bytes()))});
  table.AddRow({"verified", VerifiedCell(snapshot, run.now())});
  table.AddRow({"root", ToHex(AsBytes(snapshot.root_hash()))});
  run.output().Print(table);
  return ExitCode::kOk;
}

void Take(const v1::VerifySnapshotResponse& response, cli::v1::VerifyReport& report) {
  report.set_chunks_checked(response.chunks_checked());
  report.set_bytes_checked(response.bytes_checked());
  for (const std::string& id : response.damaged()) {
    const auto known = std::find(report.damaged().begin(), report.damaged().end(), id);
    if (known == report.damaged().end() && report.damaged_size() < kDamagedNamedMax) {
      report.add_damaged(id);
    }
  }
}

absl::StatusOr<cli::v1::VerifyReport> RunVerify(Invocation& run, Connection& connection,
                                                const std::string& snapshot) {
  v1::VerifySnapshotRequest request;
  request.set_snapshot_id(snapshot);
  cli::v1::VerifyReport report;
  report.set_snapshot_id(snapshot);
  auto stream = connection.Stream(&v1::FleetService::Stub::VerifySnapshot, request);
  v1::VerifySnapshotResponse response;
  bool done = false;
  while (stream.Read(response)) {
    Take(response, report);
    done = response.done();
    run.output().Progress(fmt::format("{} of {} chunks, {}{}", response.chunks_checked(),
                                      response.chunks_total(), BytesText(response.bytes_checked()),
                                      report.damaged_size() == 0 ? "" : ", DAMAGED"));
  }
  MOORING_RETURN_IF_ERROR(connection.Explain(stream.Finish()));
  if (!done) return absl::UnavailableError("the server ended the verification early");
  return report;
}

absl::StatusOr<ExitCode> Verify(Invocation& run, const SnapshotOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(const std::string id, ResolveSnapshot(*connection, options.id));
  MOORING_ASSIGN_OR_RETURN(const auto report, RunVerify(run, *connection, id));
  const bool damaged = report.damaged_size() > 0;
  if (run.output().is_structured()) {
    run.output().Print(report);
  } else {
    run.output().PrintLine(
        fmt::format("{}, {} read back: {}", CountText(report.chunks_checked(), "chunk", "chunks"),
                    BytesText(report.bytes_checked()), damaged ? "DAMAGED" : "all intact"));
    for (const std::string& chunk : report.damaged()) {
      run.output().PrintLine("  damaged or gone: " + ToHex(AsBytes(chunk)));
    }
  }
  return damaged ? ExitCode::kIntegrity : ExitCode::kOk;
}

absl::StatusOr<ExitCode> Delete(Invocation& run, const SnapshotOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::DeleteSnapshotRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_snapshot_id(),
                           ResolveSnapshot(*connection, options.id));
  request.set_reason(options.reason);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::DeleteSnapshot, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
  } else {
    run.output().PrintLine(ToHex(AsBytes(response.request_id())));
  }
  run.output().Note("Nothing is deleted yet. To approve it:");
  run.output().Note("  mooring request approve " + ToHex(AsBytes(response.request_id())));
  return ExitCode::kWaitingForApproval;
}

void AddIdOption(CLI::App& verb, SnapshotOptions& options) {
  verb.add_option("ID", options.id, "id of the snapshot")->required();
}

}  // namespace

void AddSnapshotCommands(CommandTree& tree) {
  CLI::App& snapshot = tree.AddNoun("snapshot", "Restorable states of phones");
  auto list = std::make_shared<SnapshotOptions>();
  CLI::App& list_verb =
      tree.AddVerb(snapshot,
                   {"list", "Of every phone's present owner, or all of one person's",
                    "mooring snapshot list --device 00008120-001A34E61EE8201E"},
                   [list](Invocation& run) { return List(run, *list); });
  list_verb.add_option("--device", list->device, "UDID, serial number or id");
  list_verb.add_option("--person", list->person,
                       "handle of a person; also from phones that they no longer have");
  auto get = std::make_shared<SnapshotOptions>();
  AddIdOption(tree.AddVerb(snapshot, {"get", "One snapshot", "mooring snapshot get 3f9a1c"},
                           [get](Invocation& run) { return Get(run, *get); }),
              *get);
  auto verify = std::make_shared<SnapshotOptions>();
  AddIdOption(tree.AddVerb(snapshot,
                           {"verify", "Read every chunk back; exits 9 if one is damaged",
                            "mooring snapshot verify 3f9a1c"},
                           [verify](Invocation& run) { return Verify(run, *verify); }),
              *verify);
  AddSnapshotExport(tree, snapshot);
  AddSnapshotPin(tree, snapshot);
  auto remove = std::make_shared<SnapshotOptions>();
  CLI::App& delete_verb =
      tree.AddVerb(snapshot,
                   {"delete", "Ask for its deletion before its time",
                    "mooring snapshot delete 3f9a1c --reason 'taken from the wrong phone'"},
                   [remove](Invocation& run) { return Delete(run, *remove); });
  AddIdOption(delete_verb, *remove);
  delete_verb.add_option("--reason", remove->reason, "for the approver and the audit record")
      ->required();
}

}  // namespace mooring::admin
