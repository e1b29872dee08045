// mooring snapshot export

#include "admin/cli/commands/snapshot_export.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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

// A request, and the code of its grant once it is approved.
struct ApprovedExport {
  v1::Request request;
  std::string grant_code;
};

absl::StatusOr<std::string> Redeem(Connection& connection, const std::string& request_id) {
  v1::RedeemExportRequest redeem;
  redeem.set_request_id(request_id);
  MOORING_ASSIGN_OR_RETURN(const auto grant,
                           connection.Call(&v1::AccessService::Stub::RedeemExport, redeem));
  return grant.grant_code();
}

absl::StatusOr<ApprovedExport> NamedRequest(Connection& connection, const std::string& snapshot,
                                            const std::string& text) {
  MOORING_ASSIGN_OR_RETURN(const std::string id, ResolveRequest(connection, text));
  MOORING_ASSIGN_OR_RETURN(v1::Request request, FetchRequest(connection, id));
  if (request.kind() != v1::REQUEST_KIND_EXPORT || request.snapshot_id() != snapshot) {
    return absl::InvalidArgumentError(
        fmt::format("request {} is not for an export of this snapshot", ShortId(id)));
  }
  MOORING_RETURN_IF_ERROR(CheckNotRefused(request));
  ApprovedExport result{std::move(request), ""};
  if (result.request.state() == v1::REQUEST_STATE_APPROVED) {
    MOORING_ASSIGN_OR_RETURN(result.grant_code, Redeem(connection, id));
  }
  return result;
}

// Our own requests for this snapshot that may still come to something, newest first.
absl::StatusOr<std::vector<v1::Request>> EarlierRequests(Invocation& run, Connection& connection,
                                                         const std::string& snapshot) {
  MOORING_ASSIGN_OR_RETURN(const auto who,
                           connection.Call(&v1::AccessService::Stub::WhoAmI, v1::WhoAmIRequest()));
  MOORING_ASSIGN_OR_RETURN(const auto all, connection.Call(&v1::AccessService::Stub::ListRequests,
                                                           v1::ListRequestsRequest()));
  std::vector<v1::Request> earlier;
  for (const v1::Request& request : all.requests()) {
    const bool may_come = request.state() == v1::REQUEST_STATE_PENDING ||
                          request.state() == v1::REQUEST_STATE_APPROVED;
    const bool expired = request.has_expires_at() && ToTime(request.expires_at()) <= run.now();
    if (request.kind() == v1::REQUEST_KIND_EXPORT && request.snapshot_id() == snapshot &&
        request.requested_by() == who.user() && may_come && !expired) {
      earlier.push_back(request);
    }
  }
  std::sort(earlier.begin(), earlier.end(), [](const v1::Request& a, const v1::Request& b) {
    return ToTime(a.requested_at()) > ToTime(b.requested_at());
  });
  return earlier;
}

// The same command again goes on where it was left: with an approved request
// whose grant is not used up, else with one that waits, else with a new one.
absl::StatusOr<ApprovedExport> OwnRequest(Invocation& run, Connection& connection,
                                          const std::string& snapshot, const std::string& reason) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<v1::Request> earlier,
                           EarlierRequests(run, connection, snapshot));
  for (const v1::Request& request : earlier) {
    if (request.state() != v1::REQUEST_STATE_APPROVED) continue;
    absl::StatusOr<std::string> code = Redeem(connection, request.id());
    if (code.ok()) return ApprovedExport{request, *std::move(code)};
    if (ExitCodeOf(code.status()) == ExitCode::kUnavailable) return code.status();
  }
  for (const v1::Request& request : earlier) {
    if (request.state() == v1::REQUEST_STATE_PENDING) return ApprovedExport{request, ""};
  }
  v1::CreateExportRequest create;
  create.set_snapshot_id(snapshot);
  create.set_reason(reason);
  MOORING_ASSIGN_OR_RETURN(const auto created,
                           connection.Call(&v1::AccessService::Stub::CreateExport, create));
  ApprovedExport result{created.request(), ""};
  if (result.request.state() == v1::REQUEST_STATE_APPROVED) {
    MOORING_ASSIGN_OR_RETURN(result.grant_code, Redeem(connection, result.request.id()));
  }
  return result;
}

// Redeems the grant with a key pair that lives as long as this call: the
// snapshot's key crosses the wire sealed to it.
absl::StatusOr<OpenedSnapshot> OpenSnapshot(Invocation& run, Connection& connection,
                                            const std::string& snapshot,
                                            const std::string& grant_code) {
  MOORING_ASSIGN_OR_RETURN(const storage::HpkeKeyPair keys,
                           storage::MakeHpkeKeyPair(run.env().random));
  v1::OpenSnapshotRequest request;
  request.set_grant_code(grant_code);
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
  MOORING_ASSIGN_OR_RETURN(ApprovedExport approved,
                           options.request.empty()
                               ? OwnRequest(run, *connection, snapshot, options.reason)
                               : NamedRequest(*connection, snapshot, options.request));
  const v1::Request& request = approved.request;
  if (approved.grant_code.empty()) {
    ExplainPending(run, request,
                   options.wait ? ""
                                : fmt::format("mooring snapshot export {} --to {}",
                                              ToHex(AsBytes(snapshot)), options.to));
    if (!options.wait) {
      if (run.output().is_structured()) run.output().Print(request);
      return ExitCode::kWaitingForApproval;
    }
    MOORING_RETURN_IF_ERROR(WaitForApproval(run, *connection, request));
    MOORING_ASSIGN_OR_RETURN(approved.grant_code, Redeem(*connection, request.id()));
  }
  MOORING_ASSIGN_OR_RETURN(const OpenedSnapshot opened,
                           OpenSnapshot(run, *connection, snapshot, approved.grant_code));
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
  verb.add_option("--request", options->request,
                  "go on with this request; without it, with our latest");
  verb.add_flag("--wait", options->wait, "wait for the approval");
  verb.add_flag("--force", options->force, "write into a folder that is not empty");
}

}  // namespace mooring::admin
