#include "agent/ios/ios_engine.h"

#include <csignal>
#include <optional>
#include <utility>

#include "agent/device/cause.h"
#include "agent/ios/full_capture.h"
#include "agent/ios/lockdown.h"
#include "agent/ios/mb2_path.h"
#include "agent/ios/phone_restore.h"
#include "agent/ios/photos_capture.h"
#include "agent/ios/trust.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

class IosEngine final : public Engine {
 public:
  IosEngine(std::string serial, const IosDependencies& dependencies)
      : serial_(std::move(serial)),
        clock_(dependencies.clock),
        random_(dependencies.random),
        patience_(dependencies.patience) {}

  absl::StatusOr<ProbeResult> Probe(const OpContext&) override {
    MOORING_ASSIGN_OR_RETURN(AttachedPhone phone, OpenPhone(serial_));
    ProbeResult result;
    MOORING_RETURN_IF_ERROR(ReadIdentity(phone, result.facts));
    const absl::StatusOr<std::unique_ptr<Lockdown>> lockdown = Lockdown::Connect(phone);
    if (lockdown.ok()) {
      result.facts.set_trusted(true);
      MOORING_RETURN_IF_ERROR(ReadState(**lockdown, result.facts));
      if (result.facts.locked()) {
        result.waiting_for = v1::WAITING_FOR_UNLOCK;
        result.message = "Unlock the iPhone";
      }
      return result;
    }
    if (const std::optional<OwnersMove> move = OwnersMoveFor(lockdown.status())) {
      result.waiting_for = move->waiting_for;
      result.message = move->sentence;
      return result;
    }
    if (!absl::IsPermissionDenied(lockdown.status())) return lockdown.status();
    result.message = ToStdView(lockdown.status().message());
    return result;
  }

  absl::StatusOr<ProbeResult> Prepare(const OpContext& ctx, ProgressSink& progress) override {
    MOORING_ASSIGN_OR_RETURN(AttachedPhone phone, OpenPhone(serial_));
    progress.Report(v1::PHASE_CONNECTING, v1::WAITING_FOR_UNSPECIFIED, "Connecting to the iPhone");
    ProbeResult result;
    MOORING_RETURN_IF_ERROR(ReadIdentity(phone, result.facts));
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Lockdown> lockdown,
                             AwaitTrust(ctx, clock_, patience_.trust, phone, progress));
    result.facts.set_trusted(true);
    MOORING_RETURN_IF_ERROR(ReadState(*lockdown, result.facts));
    return result;
  }

  absl::StatusOr<BackupOutcome> Backup(const OpContext& ctx, const BackupOptions& options,
                                       SnapshotBuilder& builder, ProgressSink& progress) override {
    BackupOutcome outcome;
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<PhoneSession> session, Connect(outcome.facts));
    for (const v1::CaptureKind kind : options.captures) {
      MOORING_ASSIGN_OR_RETURN(
          *outcome.captures.emplace(outcome.captures.end()),
          Capture(ctx, kind, options, *session, outcome.facts, builder, progress));
    }
    for (const std::string_view path : {kManifestDbPath, kManifestPath, kStatusPath}) {
      if (builder.Find(path)) outcome.base_paths.emplace_back(path);
    }
    return outcome;
  }

  absl::StatusOr<RestoreCheck> CheckRestore(const OpContext& ctx,
                                            SnapshotReader& snapshot) override {
    v1::DeviceFacts facts;
    const absl::StatusOr<std::unique_ptr<PhoneSession>> session = Connect(facts);
    if (const std::optional<OwnersMove> move = OwnersMoveFor(session.status())) {
      RestoreCheck check;
      check.obstacles.push_back(move->sentence + ".");
      return check;
    }
    MOORING_RETURN_IF_ERROR(session.status());
    return CheckPhoneRestore(ctx, (*session)->lockdown(), facts, snapshot);
  }

  absl::StatusOr<RestoreOutcome> Restore(const OpContext& ctx, SnapshotReader& snapshot,
                                         const SecretBytes& backup_password,
                                         ProgressSink& progress) override {
    v1::DeviceFacts facts;
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<PhoneSession> session, Connect(facts));
    return RestorePhone(ctx, *session, snapshot, backup_password, progress);
  }

 private:
  absl::StatusOr<std::unique_ptr<PhoneSession>> Connect(v1::DeviceFacts& facts) {
    MOORING_ASSIGN_OR_RETURN(std::unique_ptr<PhoneSession> session,
                             PhoneSession::Connect(clock_, patience_, serial_));
    MOORING_RETURN_IF_ERROR(ReadIdentity(session->phone(), facts));
    facts.set_trusted(true);
    MOORING_RETURN_IF_ERROR(ReadState(session->lockdown(), facts));
    return session;
  }

  absl::StatusOr<v1::Capture> Capture(const OpContext& ctx, v1::CaptureKind kind,
                                      const BackupOptions& options, PhoneSession& session,
                                      const v1::DeviceFacts& facts, SnapshotBuilder& builder,
                                      ProgressSink& progress) {
    if (kind == v1::CAPTURE_KIND_PHOTOS) {
      MOORING_ASSIGN_OR_RETURN(const afc_client_t afc, session.afc());
      absl::StatusOr<v1::Capture> photos = CapturePhotos(ctx, clock_, afc, builder, progress);
      if (!photos.ok()) return session.Explain(ctx, photos.status());
      return photos;
    }
    if (kind != v1::CAPTURE_KIND_FULL) {
      return absl::InvalidArgumentError("an iPhone has no capture of this kind");
    }
    if (options.phone_encryption == v1::PHONE_ENCRYPTION_REQUIRED && !facts.phone_encrypts()) {
      return Failure(absl::StatusCode::kFailedPrecondition, v1::CAUSE_ENCRYPTION_REQUIRED,
                     "policy requires encrypted backups and the iPhone does not encrypt them",
                     "Turn on \"Encrypt local backup\" for this iPhone in Finder or iTunes");
    }
    return CaptureFull(ctx, clock_, random_, session, options, builder, progress);
  }

  const std::string serial_;
  Clock& clock_;
  Random& random_;
  const IosPatience patience_;
};

}  // namespace

std::unique_ptr<Engine> MakeIosEngine(std::string serial, const IosDependencies& dependencies) {
  std::signal(SIGPIPE, SIG_IGN);
  return std::make_unique<IosEngine>(std::move(serial), dependencies);
}

}  // namespace mooring::agent
