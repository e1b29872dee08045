#include "agent/ios/phone_session.h"

#include <utility>

#include "agent/device/cause.h"
#include "agent/ios/conversation_watch.h"
#include "storage/base/check.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr const char* kBackupService = "com.apple.mobilebackup2";
// usbmuxd notices an unplugged phone a moment after its connections end.
constexpr absl::Duration kDetachLag = absl::Milliseconds(500);

}  // namespace

absl::StatusOr<std::unique_ptr<PhoneSession>> PhoneSession::Connect(Clock& clock,
                                                                    const IosPatience& patience,
                                                                    const std::string& serial) {
  MOORING_ASSIGN_OR_RETURN(AttachedPhone phone, OpenPhone(serial));
  std::unique_ptr<PhoneSession> session(new PhoneSession(clock, patience, std::move(phone)));
  MOORING_ASSIGN_OR_RETURN(session->lockdown_, Lockdown::Connect(session->phone_));
  return session;
}

absl::StatusOr<afc_client_t> PhoneSession::afc() {
  if (!afc_) {
    MOORING_ASSIGN_OR_RETURN(afc_, lockdown_->StartAfc());
  }
  return afc_.get();
}

absl::Status PhoneSession::LockSync(const OpContext& ctx) {
  if (sync_lock_) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const afc_client_t files, afc());
  MOORING_ASSIGN_OR_RETURN(notifications_, Notifications::Start(ctx, clock_, *lockdown_));
  MOORING_ASSIGN_OR_RETURN(sync_lock_, SyncLock::Take(ctx, clock_, files, *notifications_));
  return absl::OkStatus();
}

absl::Status PhoneSession::Explain(const OpContext& ctx, const absl::Status& status) const {
  if (CauseOf(status) != v1::CAUSE_UNPLUGGED) return status;
  clock_.Sleep(kDetachLag, ctx.stop);
  if (!IsAttached(phone_.udid)) {
    return Failure(absl::StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED, "the iPhone was unplugged",
                   "Plug the iPhone in and start again");
  }
  return Failure(absl::StatusCode::kUnavailable, v1::CAUSE_PHONE_ERROR,
                 "the iPhone ended the connection",
                 "Start again; restart the iPhone or try another cable if it happens twice");
}

absl::StatusOr<Mb2Response> PhoneSession::Converse(const OpContext& ctx, const Request& request,
                                                   PhoneFiles& files, ProgressSink& progress) {
  MOORING_CHECK(sync_lock_ != nullptr);
  MOORING_ASSIGN_OR_RETURN(const PhoneService service,
                           lockdown_->Start(ctx, clock_, kBackupService, Lockdown::Escrow::kWith,
                                            patience_.silence_max));
  const v1::Phase phase =
      request.task == PhoneTask::kRestore ? v1::PHASE_RESTORING : v1::PHASE_CAPTURING;
  ConversationWatch watch(ctx, progress, phase, *notifications_);
  service.stream->SetQuietListener([&watch](absl::Duration quiet) { return watch.OnQuiet(quiet); });
  Mb2Session session(*service.stream, request.udid, files, watch);
  if (const absl::Status opened = session.Open(ctx); !opened.ok()) return Explain(ctx, opened);
  absl::StatusOr<Mb2Response> response = session.Run(ctx, request.message);
  if (!response.ok()) return Explain(ctx, response.status());
  session.Close(ctx);
  if (response->error_code != 0) {
    return PhoneResponseFailure(request.task, response->error_code, response->description);
  }
  return response;
}

}  // namespace mooring::agent
