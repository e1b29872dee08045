#include "agent/ios/conversation_watch.h"

#include <string>

#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Silence before the first message that a passcode sheet would explain.
constexpr absl::Duration kAsksForPasscode = absl::Seconds(5);
// Silence later on that is worth telling.
constexpr absl::Duration kPhoneIsBusy = absl::Seconds(15);
// Notifications taken at one look; a flood must not hold up the conversation.
constexpr int kNotificationsPerLook = 16;

}  // namespace

void ConversationWatch::Tell(v1::WaitingFor waiting_for, const char* sentence) {
  if (told_ == waiting_for) return;
  told_ = waiting_for;
  progress_.Report(has_begun_ ? phase_ : v1::PHASE_PREPARING, waiting_for, sentence);
}

absl::Status ConversationWatch::TakeNotifications() {
  for (int i = 0; i < kNotificationsPerLook && notifications_ != nullptr; ++i) {
    const absl::StatusOr<std::string> name = notifications_->Next(ctx_);
    if (absl::IsCancelled(name.status())) return name.status();
    if (!name.ok()) {
      notifications_ = nullptr;
      break;
    }
    if (name->empty()) break;
    if (*name == kSyncCancelRequest) {
      return Failure(absl::StatusCode::kCancelled, v1::CAUSE_CANCELLED_ON_PHONE,
                     "cancelled on the iPhone", "Start again when it suits");
    }
    if (*name == kPasscodeSheetShown) passcode_sheet_ = true;
    if (*name == kPasscodeSheetGone) passcode_sheet_ = false;
  }
  if (passcode_sheet_) {
    Tell(v1::WAITING_FOR_PASSCODE, "Enter the passcode on the iPhone");
  } else if (told_ == v1::WAITING_FOR_PASSCODE) {
    Tell(v1::WAITING_FOR_UNSPECIFIED, "The iPhone is getting ready");
  }
  return absl::OkStatus();
}

absl::Status ConversationWatch::OnMessage() {
  MOORING_RETURN_IF_ERROR(TakeNotifications());
  const bool is_first = !has_begun_;
  has_begun_ = true;
  if (is_first || told_ == v1::WAITING_FOR_PHONE) {
    // The first message reports the phase even where nothing was waited for.
    told_ = v1::WAITING_FOR_UNSPECIFIED;
    progress_.Report(phase_, told_,
                     phase_ == v1::PHASE_RESTORING ? "Restoring; keep the iPhone plugged in"
                                                   : "Backing up; keep the iPhone plugged in");
  }
  return absl::OkStatus();
}

absl::Status ConversationWatch::OnQuiet(absl::Duration quiet) {
  MOORING_RETURN_IF_ERROR(TakeNotifications());
  if (passcode_sheet_) return absl::OkStatus();
  if (!has_begun_ && quiet >= kAsksForPasscode) {
    Tell(v1::WAITING_FOR_PASSCODE, "If the iPhone asks for its passcode, enter it");
  } else if (has_begun_ && quiet >= kPhoneIsBusy) {
    Tell(v1::WAITING_FOR_PHONE, "The iPhone is busy; keep it plugged in");
  }
  return absl::OkStatus();
}

}  // namespace mooring::agent
