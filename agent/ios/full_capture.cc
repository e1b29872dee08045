#include "agent/ios/full_capture.h"

#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "agent/device/cause.h"
#include "agent/device/timestamp.h"
#include "agent/ios/backup_checks.h"
#include "agent/ios/info_plist.h"
#include "agent/ios/mb2_path.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

absl::Status PutWhole(const OpContext& ctx, Clock& clock, SnapshotBuilder& builder,
                      std::string_view path, ByteView content) {
  const FileFacts facts{
      .modified_unix_ns = absl::ToUnixNanos(clock.Now()), .mode = 0600, .will_be_read = false};
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> writer, builder.Put(ctx, path, facts));
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

// What one attempt works with.
struct CaptureStep {
  const OpContext& ctx;
  Clock& clock;
  PhoneSession& session;
  const BackupOptions& options;
  SnapshotBuilder& builder;
  ProgressSink& progress;
  const Bytes info;
};

struct CaptureResult {
  CaptureVerdict verdict;
  std::uint64_t unread_files = 0;
};

absl::StatusOr<CaptureResult> RunOnce(const CaptureStep& step) {
  const std::string& udid = step.session.phone().udid;
  BackupFiles files(step.builder, step.clock, step.options.quota_bytes);
  MOORING_ASSIGN_OR_RETURN(
      const Mb2Response response,
      step.session.Converse(step.ctx, {PhoneTask::kBackup, udid, BackupMessage(udid)}, files,
                            step.progress));
  // Written last: a phone that starts over may remove the whole directory.
  MOORING_RETURN_IF_ERROR(PutWhole(step.ctx, step.clock, step.builder, kInfoPath, step.info));
  step.progress.Report(v1::PHASE_VERIFYING, v1::WAITING_FOR_UNSPECIFIED, "Checking the backup");
  CaptureResult result;
  MOORING_ASSIGN_OR_RETURN(result.verdict,
                           CheckCapture(step.ctx, step.builder, step.options.backup_password));
  result.unread_files = response.received.failed;
  return result;
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
  MOORING_ASSIGN_OR_RETURN(const Plist info,
                           BuildInfoPlist(ctx, clock, random, session.lockdown(), udid, afc));
  const bool has_base = builder.Find(kStatusPath).has_value();
  const CaptureStep step{ctx, clock, session, options, builder, progress, info.ToXml()};
  absl::StatusOr<CaptureResult> result = RunOnce(step);
  if (has_base && CauseOf(result.status()) == v1::CAUSE_VERIFICATION_FAILED) {
    // The phone or we found that the base and its changes do not fit together. The
    // next session would begin from the same base: start over without it now.
    progress.Report(v1::PHASE_PREPARING, v1::WAITING_FOR_UNSPECIFIED,
                    "Starting over with a full backup");
    MOORING_RETURN_IF_ERROR(builder.Remove(kFullRoot));
    result = RunOnce(step);
    if (result.ok()) {
      result->verdict.remarks.emplace_back(
          "a full backup, because the previous one could not be built on");
    }
  }
  MOORING_RETURN_IF_ERROR(result.status());
  CaptureVerdict& verdict = result->verdict;
  v1::Capture capture;
  capture.set_kind(v1::CAPTURE_KIND_FULL);
  SetTimestamp(started, *capture.mutable_started_at());
  SetTimestamp(clock.Now(), *capture.mutable_completed_at());
  capture.set_file_count(verdict.file_count);
  capture.set_logical_bytes(verdict.logical_bytes);
  capture.set_result(v1::CAPTURE_RESULT_COMPLETE);
  if (result->unread_files > 0) {
    verdict.remarks.push_back(
        fmt::format("the iPhone could not read {} of its files", result->unread_files));
    capture.set_result(v1::CAPTURE_RESULT_COMPLETE_WITH_GAPS);
  }
  for (std::string& remark : verdict.remarks) capture.add_remarks(std::move(remark));
  return capture;
}

}  // namespace mooring::agent
