// mooring restore start|status|list

#include <memory>
#include <string>

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include "admin/cli/approval.h"
#include "admin/cli/command.h"
#include "admin/cli/resolve.h"
#include "admin/cli/text.h"
#include "mooring/v1/access.grpc.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

struct RestoreOptions {
  std::string from;
  std::string snapshot = "latest";
  std::string to;
  std::string reason;
  bool wait = false;
  std::string id;
};

Cell StateOf(const v1::Restore& restore) {
  switch (restore.state()) {
    case v1::RESTORE_STATE_SUCCEEDED:
      return {EnumText(restore.state()), Tone::kGood};
    case v1::RESTORE_STATE_FAILED:
    case v1::RESTORE_STATE_DENIED:
      return {EnumText(restore.state()), Tone::kBad};
    default:
      return {EnumText(restore.state()), Tone::kWarning};
  }
}

ExitCode CodeOf(const v1::Restore& restore) {
  switch (restore.state()) {
    case v1::RESTORE_STATE_WAITING_FOR_APPROVAL:
      return ExitCode::kWaitingForApproval;
    case v1::RESTORE_STATE_WAITING_FOR_DEVICE:
      return ExitCode::kWaitingForPerson;
    case v1::RESTORE_STATE_DENIED:
      return ExitCode::kDenied;
    case v1::RESTORE_STATE_FAILED:
      return ExitCodeOf(restore.cause());
    default:
      return ExitCode::kOk;
  }
}

bool IsOver(const v1::Restore& restore) {
  return restore.state() == v1::RESTORE_STATE_SUCCEEDED ||
         restore.state() == v1::RESTORE_STATE_FAILED || restore.state() == v1::RESTORE_STATE_DENIED;
}

absl::StatusOr<v1::GetRestoreResponse> Fetch(Connection& connection, const std::string& id) {
  v1::GetRestoreRequest request;
  request.set_restore_id(id);
  return connection.Call(&v1::AccessService::Stub::GetRestore, request);
}

void PrintRestore(Invocation& run, const v1::GetRestoreResponse& response) {
  if (run.output().is_structured()) {
    run.output().Print(response);
    return;
  }
  const v1::Restore& restore = response.restore();
  const v1::Progress& progress = restore.progress();
  Table table = FieldTable();
  table.AddRow({"id", ToHex(AsBytes(restore.id()))});
  table.AddRow({"state", StateOf(restore)});
  table.AddRow({"snapshot", ToHex(AsBytes(restore.snapshot_id()))});
  table.AddRow({"to", restore.target_serial()});
  table.AddRow({"asked for", AgeText(restore.created_at(), run.now())});
  if (restore.state() == v1::RESTORE_STATE_RUNNING) {
    table.AddRow({"progress", fmt::format("{} files, {}", progress.files_done(),
                                          BytesText(progress.bytes_read()))});
    if (progress.waiting_for() != v1::WAITING_FOR_UNSPECIFIED) {
      table.AddRow({"waiting for", EnumText(progress.waiting_for())});
    }
  }
  if (IsOver(restore)) {
    table.AddRow({"finished", AgeText(restore.finished_at(), run.now())});
    table.AddRow(
        {"written", fmt::format("{} files, {}", restore.file_count(), BytesText(restore.bytes()))});
  }
  if (restore.cause() != v1::CAUSE_UNSPECIFIED) {
    table.AddRow({"cause", EnumText(restore.cause())});
  }
  if (!restore.message().empty()) table.AddRow({"message", restore.message()});
  if (restore.state() == v1::RESTORE_STATE_WAITING_FOR_APPROVAL) {
    table.AddRow(
        {"approve with", "mooring request approve " + ToHex(AsBytes(restore.request_id()))});
  }
  if (!response.grant_code().empty()) {
    table.AddRow({"or at the desk", fmt::format("mooring-agent restore --grant {} --to {}",
                                                response.grant_code(), restore.target_serial())});
  }
  run.output().Print(table);
}

std::string ProgressText(const v1::Restore& restore) {
  const v1::Progress& progress = restore.progress();
  if (restore.state() != v1::RESTORE_STATE_RUNNING) return EnumText(restore.state());
  return fmt::format("{}, {} files, {}{}", EnumText(restore.state()), progress.files_done(),
                     BytesText(progress.bytes_read()),
                     progress.waiting_for() == v1::WAITING_FOR_UNSPECIFIED
                         ? ""
                         : ", waiting for " + EnumText(progress.waiting_for()));
}

// Until it is over. Each new state is a line of its own where there is no
// terminal to redraw.
absl::StatusOr<v1::GetRestoreResponse> WaitForRestore(Invocation& run, Connection& connection,
                                                      const std::string& id) {
  std::string state_shown;
  while (true) {
    MOORING_ASSIGN_OR_RETURN(auto response, Fetch(connection, id));
    if (IsOver(response.restore())) return response;
    const std::string state = EnumText(response.restore().state());
    if (!run.env().err_is_terminal && state != state_shown) run.output().Note(state);
    state_shown = state;
    run.output().Progress(ProgressText(response.restore()));
    if (!run.env().clock.Sleep(kPollInterval, run.env().stop)) {
      return absl::CancelledError("interrupted; the restore goes on: mooring restore status " +
                                  ToHex(AsBytes(id)));
    }
  }
}

absl::StatusOr<v1::CreateRestoreRequest> RequestOf(Connection& connection,
                                                   const RestoreOptions& options) {
  v1::CreateRestoreRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_from_device(), ResolveDevice(connection, options.from));
  if (options.snapshot != "latest") {
    MOORING_ASSIGN_OR_RETURN(*request.mutable_snapshot_id(),
                             ResolveSnapshot(connection, options.snapshot));
  }
  request.set_to_serial(options.to);
  request.set_reason(options.reason);
  return request;
}

absl::StatusOr<ExitCode> Start(Invocation& run, const RestoreOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(const auto request, RequestOf(*connection, options));
  MOORING_ASSIGN_OR_RETURN(const auto created,
                           connection->Call(&v1::AccessService::Stub::CreateRestore, request));
  const std::string id = ToHex(AsBytes(created.restore_id()));
  const bool pending = created.request().state() == v1::REQUEST_STATE_PENDING;
  if (pending) {
    ExplainPending(run, created.request(), options.wait ? "" : "mooring restore status " + id);
  }
  if (!options.wait) {
    if (run.output().is_structured()) {
      run.output().Print(created);
    } else {
      run.output().PrintLine(id);
    }
    return pending ? ExitCode::kWaitingForApproval : ExitCode::kOk;
  }
  MOORING_RETURN_IF_ERROR(WaitForApproval(run, *connection, created.request()));
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           WaitForRestore(run, *connection, created.restore_id()));
  PrintRestore(run, response);
  return CodeOf(response.restore());
}

absl::StatusOr<ExitCode> Status(Invocation& run, const RestoreOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(const std::string id, ResolveRestore(*connection, options.id));
  MOORING_ASSIGN_OR_RETURN(const auto response, options.wait ? WaitForRestore(run, *connection, id)
                                                             : Fetch(*connection, id));
  PrintRestore(run, response);
  return CodeOf(response.restore());
}

absl::StatusOr<ExitCode> List(Invocation& run) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(
      const auto response,
      connection->Call(&v1::AccessService::Stub::ListRestores, v1::ListRestoresRequest()));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  Table table({{"ID"},
               {"STATE"},
               {"SNAPSHOT"},
               {"TO"},
               {"ASKED FOR"},
               {"FILES", true},
               {"BYTES", true},
               {"MESSAGE", false, true}});
  for (const v1::Restore& restore : response.restores()) {
    table.AddRow({ShortId(restore.id()), StateOf(restore), ShortId(restore.snapshot_id()),
                  restore.target_serial(), AgeText(restore.created_at(), run.now()),
                  fmt::format("{}", restore.file_count()), BytesText(restore.bytes()),
                  restore.message()});
  }
  run.output().Print(table);
  return ExitCode::kOk;
}

}  // namespace

void AddRestoreCommands(CommandTree& tree) {
  CLI::App& restore = tree.AddNoun("restore", "Snapshots back onto phones");
  auto start = std::make_shared<RestoreOptions>();
  CLI::App& start_verb = tree.AddVerb(
      restore,
      {"start", "Ask for a restore; exits 6 until it is approved",
       "mooring restore start --from 00008120-001A34E61EE8201E --to 00008130-0006246C2E90001C "
       "--reason 'phone lost' --wait"},
      [start](Invocation& run) { return Start(run, *start); });
  start_verb.add_option("--from", start->from, "phone that was backed up: UDID, serial or id")
      ->required();
  start_verb.add_option("--snapshot", start->snapshot, "id of a snapshot, or latest")
      ->capture_default_str();
  start_verb.add_option("--to", start->to, "serial number or UDID of the phone to write")
      ->required();
  start_verb.add_option("--reason", start->reason, "for the approver and the audit record");
  start_verb.add_flag("--wait", start->wait, "wait for the approval and until it is done");

  auto status = std::make_shared<RestoreOptions>();
  CLI::App& status_verb = tree.AddVerb(
      restore,
      {"status",
       "How it goes; exits 0 while it runs and when it succeeded, 6 before approval, 10 while the "
       "phone is not plugged in",
       "mooring restore status 3f9a1c --wait"},
      [status](Invocation& run) { return Status(run, *status); });
  status_verb.add_option("ID", status->id, "id of the restore")->required();
  status_verb.add_flag("--wait", status->wait, "until it is done");
  tree.AddVerb(restore, {"list", "All restores", "mooring restore list"}, List);
}

}  // namespace mooring::admin
