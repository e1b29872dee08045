// mooring snapshot export

#include "admin/cli/commands/snapshot_export.h"

#include <memory>
#include <string>

#include <fmt/format.h>

#include "admin/cli/approval.h"
#include "admin/cli/resolve.h"
#include "admin/cli/snapshot_exporter.h"
#include "admin/cli/text.h"
#include "mooring/v1/access.grpc.pb.h"
#include "mooring/v1/restore.grpc.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"
#include "storage/seal/hpke.h"

namespace mooring::admin {
namespace {

constexpr const char* kSnapshotKeyInfo = "mooring/snapshot-key/1";

struct ExportOptions {
  std::string snapshot;
  std::string to;
  std::string reason;
  std::string request;
  bool wait = false;
  bool force = false;
};

// A snapshot that this process alone can read.
struct OpenedSnapshot {
  storage::Root root;
  std::string serial;
  std::string grant_id;
};

// A new request, or the one that was made earlier.
absl::StatusOr<v1::Request> RequestFor(Connection& connection, const std::string& snapshot,
                                       const ExportOptions& options) {
  if (options.request.empty()) {
    v1::CreateExportRequest create;
    create.set_snapshot_id(snapshot);
    create.set_reason(options.reason);
    MOORING_ASSIGN_OR_RETURN(const auto created,
                             connection.Call(&v1::AccessService::Stub::CreateExport, create));
    return created.request();
  }
  MOORING_ASSIGN_OR_RETURN(const std::string id, ResolveRequest(connection, options.request));
  MOORING_ASSIGN_OR_RETURN(v1::Request request, FetchRequest(connection, id));
  if (request.kind() != v1::REQUEST_KIND_EXPORT || request.snapshot_id() != snapshot) {
    return absl::InvalidArgumentError(
        fmt::format("request {} is not for an export of this snapshot", ShortId(id)));
  }
  MOORING_RETURN_IF_ERROR(CheckNotRefused(request));
  return request;
}

// Redeems the grant with a key pair that lives as long as this call: the
// snapshot's key crosses the wire sealed to it.
absl::StatusOr<OpenedSnapshot> OpenSnapshot(Invocation& run, Connection& connection,
                                            const std::string& snapshot,
                                            const std::string& request_id) {
  v1::RedeemExportRequest redeem;
  redeem.set_request_id(request_id);
  MOORING_ASSIGN_OR_RETURN(const auto grant,
                           connection.Call(&v1::AccessService::Stub::RedeemExport, redeem));
  MOORING_ASSIGN_OR_RETURN(const storage::HpkeKeyPair keys,
                           storage::MakeHpkeKeyPair(run.env().random));
  v1::OpenSnapshotRequest request;
  request.set_grant_code(grant.grant_code());
  request.set_hpke_public_key(ToString(keys.public_key));
  MOORING_ASSIGN_OR_RETURN(const auto opened,
                           connection.Call(&v1::RestoreService::Stub::OpenSnapshot, request));
  if (opened.snapshot_id() != snapshot) {
    return absl::DataLossError("the server opened another snapshot than was asked for");
  }
  MOORING_ASSIGN_OR_RETURN(const SecretBytes snapshot_key,
                           storage::HpkeOpen(keys.private_key, kSnapshotKeyInfo, AsBytes(snapshot),
                                             AsBytes(opened.sealed_snapshot_key())));
  OpenedSnapshot result;
  MOORING_ASSIGN_OR_RETURN(result.root, storage::OpenRoot(snapshot_key, AsBytes(opened.root())));
  if (result.root.header.snapshot.bytes() != snapshot) {
    return absl::DataLossError("the manifest is that of another snapshot");
  }
  result.serial = opened.device().serial();
  MOORING_RETURN_IF_ERROR(CheckSerial(result.serial));
  result.grant_id = opened.grant_id();
  return result;
}

void ShowProgress(Output& output, const ExportProgress& progress) {
  output.Progress(fmt::format("{} of {} files, {} of {}", progress.files_done, progress.files_total,
                              BytesText(progress.bytes_done), BytesText(progress.bytes_total)));
}

// Tells the server how it went; the export stands whatever it answers.
void Report(Invocation& run, Connection& connection, const std::string& grant_id,
            const ExportSummary& summary) {
  v1::FinishRestoreRequest request;
  request.set_grant_id(grant_id);
  request.set_succeeded(summary.damaged_count == 0);
  if (summary.damaged_count > 0) {
    request.set_cause(v1::CAUSE_VERIFICATION_FAILED);
    request.set_message(fmt::format("{} damaged", summary.damaged_count));
  }
  request.set_file_count(summary.file_count);
  request.set_bytes(summary.bytes);
  const auto finished = connection.Call(&v1::RestoreService::Stub::FinishRestore, request);
  if (!finished.ok()) {
    run.output().Note("The server did not take the report of this export: " +
                      std::string(finished.status().message()));
  }
}

ExitCode PrintSummary(Invocation& run, const ExportSummary& summary, const std::string& snapshot,
                      const std::string& request_id, const std::string& folder) {
  if (run.output().is_structured()) {
    cli::v1::ExportReport report;
    report.set_snapshot_id(snapshot);
    report.set_request_id(request_id);
    report.set_folder(folder);
    report.set_file_count(summary.file_count);
    report.set_bytes(summary.bytes);
    for (const std::string& what : summary.damaged) report.add_damaged(what);
    report.set_damaged_count(summary.damaged_count);
    report.set_links_left_out(summary.links_left_out);
    run.output().Print(report);
  } else {
    run.output().PrintLine(fmt::format("{}, {}, every one verified: {}",
                                       CountText(summary.file_count, "file", "files"),
                                       BytesText(summary.bytes), folder));
  }
  if (summary.links_left_out > 0) {
    run.output().Note(
        CountText(summary.links_left_out, "symbolic link was", "symbolic links were") +
        " left out.");
  }
  if (summary.damaged_count > 0) {
    run.output().Note(fmt::format("Damaged and not written: {}", summary.damaged_count));
    for (const std::string& what : summary.damaged) run.output().Note("  " + what);
    return ExitCode::kIntegrity;
  }
  return summary.links_left_out > 0 ? ExitCode::kPartial : ExitCode::kOk;
}

absl::StatusOr<ExitCode> Export(Invocation& run, const ExportOptions& options) {
  // Nobody is asked for an approval that the folder would make useless.
  MOORING_RETURN_IF_ERROR(ExportFolder::CheckTarget(options.to, options.force));
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(const std::string snapshot,
                           ResolveSnapshot(*connection, options.snapshot));
  MOORING_ASSIGN_OR_RETURN(const v1::Request request, RequestFor(*connection, snapshot, options));
  if (request.state() != v1::REQUEST_STATE_APPROVED) {
    ExplainPending(run, request,
                   options.wait ? ""
                                : fmt::format("mooring snapshot export {} --to {} --request {}",
                                              ToHex(AsBytes(snapshot)), options.to,
                                              ToHex(AsBytes(request.id()))));
    if (!options.wait) {
      if (run.output().is_structured()) run.output().Print(request);
      return ExitCode::kWaitingForApproval;
    }
    MOORING_RETURN_IF_ERROR(WaitForApproval(run, *connection, request));
  }
  MOORING_ASSIGN_OR_RETURN(const OpenedSnapshot opened,
                           OpenSnapshot(run, *connection, snapshot, request.id()));
  MOORING_ASSIGN_OR_RETURN(ExportFolder folder, ExportFolder::Open(options.to, options.force));
  GrantedChunkSource chunks(*connection, opened.grant_id);
  SnapshotExporter exporter(
      opened.root, opened.serial, chunks, folder,
      [&run](const ExportProgress& progress) { ShowProgress(run.output(), progress); });
  MOORING_ASSIGN_OR_RETURN(const ExportSummary summary, exporter.Run());
  Report(run, *connection, opened.grant_id, summary);
  return PrintSummary(run, summary, snapshot, request.id(), options.to);
}

}  // namespace

void AddSnapshotExport(CommandTree& tree, CLI::App& snapshot) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App& verb = tree.AddVerb(
      snapshot,
      {"export", "Write a snapshot to a folder, decrypted here; exits 6 until it is approved",
       "mooring snapshot export 3f9a1c --to ./iris --reason 'owner asked for a copy' --wait"},
      [options](Invocation& run) { return Export(run, *options); });
  verb.add_option("ID", options->snapshot, "id of the snapshot")->required();
  verb.add_option("--to", options->to, "folder: new, or empty")->required();
  verb.add_option("--reason", options->reason, "for the approver and the audit record");
  verb.add_option("--request", options->request, "go on with a request made earlier");
  verb.add_flag("--wait", options->wait, "wait for the approval");
  verb.add_flag("--force", options->force, "write into a folder that is not empty");
}

}  // namespace mooring::admin
