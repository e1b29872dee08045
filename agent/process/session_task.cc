#include "agent/process/session_task.h"

#include <fstream>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/device/cause.h"
#include "agent/pipeline/snapshot_builder_impl.h"
#include "agent/restore/snapshot_reader_impl.h"
#include "storage/base/status.h"
#include "storage/seal/hpke.h"

namespace mooring::agent {
namespace {

// Not getrusage: its maximum counts what the process was before exec, which is
// the agent. Zero if the system does not say.
std::uint64_t PeakMemoryBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "VmHWM:") continue;
    std::uint64_t kib = 0;
    status >> kib;
    return kib * 1024;
  }
  return 0;
}

SecretBytes Secret(const std::string& bytes) {
  return SecretBytes::CopyOf(AsBytes(bytes));
}

}  // namespace

SessionTask::SessionTask(Engine& engine, BackupLink& backup_link, RestoreLink& restore_link,
                         Random& random, ProgressSink& progress,
                         const SealPipeline::Options& pipeline)
    : engine_(engine),
      backup_link_(backup_link),
      restore_link_(restore_link),
      random_(random),
      progress_(progress),
      pipeline_(pipeline) {}

absl::StatusOr<session::v1::Probed> SessionTask::Probe(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(const ProbeResult result, engine_.Probe(ctx));
  session::v1::Probed probed;
  *probed.mutable_facts() = result.facts;
  probed.set_waiting_for(result.waiting_for);
  probed.set_message(result.message);
  return probed;
}

session::v1::Finished SessionTask::Run(const OpContext& ctx, const session::v1::Start& start) {
  session::v1::Finished finished;
  const absl::Status status = start.task() == session::v1::Start::TASK_RESTORE
                                  ? Restore(ctx, start, finished)
                                  : Backup(ctx, start, finished);
  finished.set_succeeded(status.ok());
  if (!status.ok()) {
    finished.set_cause(CauseOf(status));
    finished.set_message(std::string(status.message()));
    finished.set_next_step(NextStepOf(status));
  }
  finished.set_peak_memory_bytes(PeakMemoryBytes());
  return finished;
}

absl::Status SessionTask::Backup(const OpContext& ctx, const session::v1::Start& start,
                                 session::v1::Finished& finished) {
  progress_.Report(v1::PHASE_CONNECTING, v1::WAITING_FOR_UNSPECIFIED, "Talking to the phone");
  MOORING_ASSIGN_OR_RETURN(const ProbeResult ready, engine_.Prepare(ctx, progress_));

  // The slot comes before anyone is asked for a passcode.
  progress_.Report(v1::PHASE_QUEUED, v1::WAITING_FOR_SLOT, "Waiting for the server");
  v1::BeginBackupRequest begin;
  begin.set_idempotency_key(RequestId::Make(random_).bytes());
  *begin.mutable_device() = ready.facts;
  for (const int capture : start.captures()) {
    begin.add_captures(static_cast<v1::CaptureKind>(capture));
  }
  if (begin.captures().empty()) begin.add_captures(v1::CAPTURE_KIND_FULL);
  MOORING_ASSIGN_OR_RETURN(const v1::SessionGrant grant, backup_link_.Begin(ctx, begin));

  progress_.Report(v1::PHASE_PREPARING, v1::WAITING_FOR_SERVER, "Reading what is stored already");
  SnapshotBuilderImpl::Options options;
  options.agent_version = start.agent_version();
  options.pipeline = pipeline_;
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<SnapshotBuilderImpl> builder,
                           SnapshotBuilderImpl::Create(ctx, backup_link_, random_, grant,
                                                       Secret(start.hpke_private_key()), options));
  BackupOptions wanted;
  for (const int capture : grant.captures().empty() ? begin.captures() : grant.captures()) {
    wanted.captures.push_back(static_cast<v1::CaptureKind>(capture));
  }
  wanted.quota_bytes = grant.quota_bytes();
  wanted.phone_encryption = grant.phone_encryption();
  wanted.backup_password = Secret(start.backup_password());
  if (grant.has_categories()) {
    std::vector<v1::Category>& categories = wanted.categories.emplace();
    for (const int category : grant.categories().captured()) {
      categories.push_back(static_cast<v1::Category>(category));
    }
  }
  MOORING_ASSIGN_OR_RETURN(BackupOutcome outcome, engine_.Backup(ctx, wanted, *builder, progress_));

  progress_.Report(v1::PHASE_COMMITTING, v1::WAITING_FOR_SERVER,
                   "Storing; please leave the phone plugged in");
  CommitFacts facts;
  facts.captures = std::move(outcome.captures);
  facts.device = std::move(outcome.facts);
  facts.base_paths = std::move(outcome.base_paths);
  for (const v1::Capture& capture : facts.captures) {
    if (capture.result() == v1::CAPTURE_RESULT_COMPLETE_WITH_GAPS) finished.set_with_gaps(true);
    for (const std::string& remark : capture.remarks()) finished.add_remarks(remark);
  }
  if (!builder->base_fault().ok()) {
    finished.add_remarks(
        fmt::format("The previous snapshot could not be read, so everything was stored again: {}",
                    std::string(builder->base_fault().message())));
  }
  MOORING_ASSIGN_OR_RETURN(*finished.mutable_receipt(), builder->Finish(ctx, facts));
  finished.set_file_count(builder->file_count());
  finished.set_bytes(builder->read_bytes());
  return absl::OkStatus();
}

absl::Status SessionTask::Restore(const OpContext& ctx, const session::v1::Start& start,
                                  session::v1::Finished& finished) {
  progress_.Report(v1::PHASE_CONNECTING, v1::WAITING_FOR_UNSPECIFIED, "Talking to the phone");
  MOORING_RETURN_IF_ERROR(engine_.Prepare(ctx, progress_).status());
  progress_.Report(v1::PHASE_PREPARING, v1::WAITING_FOR_SERVER, "Opening the snapshot");
  const SecretBytes key = Secret(start.hpke_private_key());
  v1::OpenSnapshotRequest request;
  request.set_grant_code(start.grant_code());
  MOORING_ASSIGN_OR_RETURN(const Bytes public_key, storage::HpkePublicKey(key));
  request.set_hpke_public_key(ToString(public_key));
  request.set_target_serial(start.serial());
  MOORING_ASSIGN_OR_RETURN(const v1::OpenSnapshotResponse opened,
                           restore_link_.OpenSnapshot(ctx, request));
  MOORING_ASSIGN_OR_RETURN(
      const std::unique_ptr<SnapshotReaderImpl> reader,
      SnapshotReaderImpl::Create(ctx, restore_link_, opened, key, ChunkFetcher::Options()));
  MOORING_ASSIGN_OR_RETURN(const RestoreCheck check, engine_.CheckRestore(ctx, *reader));
  for (const std::string& warning : check.warnings) finished.add_remarks(warning);
  if (!check.possible) {
    return Failure(absl::StatusCode::kFailedPrecondition, v1::CAUSE_PHONE_ERROR,
                   fmt::format("this snapshot cannot be restored to this phone: {}",
                               fmt::join(check.obstacles, "; ")),
                   "remove what stands in the way, or choose another phone or snapshot");
  }
  progress_.Report(v1::PHASE_RESTORING, v1::WAITING_FOR_UNSPECIFIED, "Restoring");
  MOORING_ASSIGN_OR_RETURN(
      const RestoreOutcome outcome,
      engine_.Restore(ctx, *reader, Secret(start.backup_password()), progress_));
  finished.set_file_count(outcome.files);
  finished.set_bytes(outcome.bytes);
  for (const std::string& remark : outcome.remarks) finished.add_remarks(remark);
  return absl::OkStatus();
}

}  // namespace mooring::agent
