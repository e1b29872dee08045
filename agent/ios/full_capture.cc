#include "agent/ios/full_capture.h"

#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "agent/ios/backup_checks.h"
#include "agent/ios/info_plist.h"
#include "agent/ios/mb2_path.h"
#include "agent/ios/timestamp.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

absl::Status PutWhole(const OpContext& ctx, Clock& clock, SnapshotBuilder& builder,
                      std::string_view path, ByteView content) {
  const FileFacts facts{.modified_unix_ns = absl::ToUnixNanos(clock.Now()), .mode = 0600, .will_be_read = false};
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> writer,
                           builder.Put(ctx, path, facts));
  MOORING_RETURN_IF_ERROR(writer->Write(content));
  return writer->Close();
}

Plist BackupMessage(const std::string& udid) {
  Plist message = Plist::Dict();
  message.Set("MessageName", Plist::String("Backup"))
      .Set("TargetIdentifier", Plist::String(udid))
      .Set("SourceIdentifier", Plist::String(udid))
      // Without ForceFullBackup: the phone sees from Status.plist what it can build on.
      .Set("Options", Plist::Dict());
  return message;
}

}  // namespace

absl::StatusOr<v1::Capture> CaptureFull(const OpContext& ctx, Clock& clock, Random& random,
                                        PhoneSession& session, const BackupOptions& options,
                                        SnapshotBuilder& builder, ProgressSink& progress) {
  const absl::Time started = clock.Now();
  const std::string& udid = session.phone().udid;
  progress.Report(v1::PHASE_PREPARING, v1::WAITING_FOR_UNSPECIFIED, "Getting the iPhone ready");
  MOORING_RETURN_IF_ERROR(session.LockSync(ctx));
  MOORING_ASSIGN_OR_RETURN(const afc_client_t afc, session.afc());
  MOORING_ASSIGN_OR_RETURN(
      const Plist info, BuildInfoPlist(ctx, clock, random, session.lockdown(), udid, afc));
  const Bytes info_bytes = info.ToXml();

  BackupFiles files(builder, clock, options.quota_bytes);
  MOORING_ASSIGN_OR_RETURN(
      const Mb2Response response,
      session.Converse(ctx, {PhoneTask::kBackup, udid, BackupMessage(udid)}, files, progress));
  // Written last: a phone that starts over removes the whole directory.
  MOORING_RETURN_IF_ERROR(PutWhole(ctx, clock, builder, kInfoPath, info_bytes));

  progress.Report(v1::PHASE_VERIFYING, v1::WAITING_FOR_UNSPECIFIED, "Checking the backup");
  MOORING_ASSIGN_OR_RETURN(CaptureVerdict verdict,
                           CheckCapture(ctx, builder, options.backup_password));
  v1::Capture capture;
  capture.set_kind(v1::CAPTURE_KIND_FULL);
  SetTimestamp(started, *capture.mutable_started_at());
  SetTimestamp(clock.Now(), *capture.mutable_completed_at());
  capture.set_file_count(verdict.file_count);
  capture.set_logical_bytes(verdict.logical_bytes);
  capture.set_result(v1::CAPTURE_RESULT_COMPLETE);
  if (response.received.failed > 0) {
    verdict.remarks.push_back(
        fmt::format("the iPhone could not read {} of its files", response.received.failed));
    capture.set_result(v1::CAPTURE_RESULT_COMPLETE_WITH_GAPS);
  }
  for (std::string& remark : verdict.remarks) capture.add_remarks(std::move(remark));
  return capture;
}

}  // namespace mooring::agent
