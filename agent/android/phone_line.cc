#include "agent/android/phone_line.h"

#include <utility>

#include "agent/android/phone_identity.h"
#include "agent/device/cause.h"
#include "agent/device/socket_wait.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// A cable that breaks so often is to be replaced, not waited for.
constexpr int kReturnsMax = 200;

}  // namespace

bool IsPhoneLost(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) return false;
  // Without a cause: the adb server went away, and every phone with it.
  const auto detail = DetailOf(status);
  return !detail || detail->cause() == v1::CAUSE_UNPLUGGED ||
         detail->cause() == v1::CAUSE_UNSPECIFIED;
}

bool EndsSession(const absl::Status& status) {
  if (CauseOf(status) == v1::CAUSE_PHONE_STALLED) return false;
  if (CauseOf(status) == v1::CAUSE_ANOTHER_PHONE) return true;
  return absl::IsCancelled(status) || absl::IsUnavailable(status) ||
         absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status);
}

void PhoneLine::Say(v1::Phase phase, const std::string& message) {
  phase_ = phase;
  message_ = message;
  progress_.Report(phase, v1::WAITING_FOR_UNSPECIFIED, message);
}

absl::Status PhoneLine::AwaitUsable(const OpContext& ctx, absl::Duration patience,
                                    const std::string& what) {
  sync_.reset();
  phone_ = AndroidPhone();
  const absl::Duration since = clock_.Monotonic();
  bool waited = false;
  std::string said;
  for (;;) {
    MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
    absl::StatusOr<AndroidPhone> found = find_(ctx);
    absl::Status failure = found.status();
    if (found.ok() && found->device != nullptr) {
      phone_ = *std::move(found);
      if (waited) progress_.Report(phase_, v1::WAITING_FOR_UNSPECIFIED, message_);
      return absl::OkStatus();
    }
    v1::WaitingFor waiting_for = v1::WAITING_FOR_PHONE;
    std::string sentence = what;
    if (found.ok()) {
      failure = UnusableFailure(found->state);
      const StateWords words = WordsOf(found->state);
      if (words.waiting_for != v1::WAITING_FOR_UNSPECIFIED) waiting_for = words.waiting_for;
      sentence = words.message + ": " + words.next_step;
    } else if (!IsPhoneLost(failure)) {
      return failure;
    }
    if (clock_.Monotonic() - since >= patience) return failure;
    if (sentence != said) progress_.Report(phase_, waiting_for, sentence);
    said = sentence;
    waited = true;
    clock_.Sleep(patience_.poll, ctx.stop);
  }
}

absl::Status PhoneLine::Open(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(AwaitUsable(ctx, patience_.owner, "Waiting for the phone"));
  platform_id_ = AskWho(ctx);
  return absl::OkStatus();
}

std::string PhoneLine::AskWho(const OpContext& ctx) {
  return AskPlatformId(ctx, *phone_.device).value_or("");
}

absl::StatusOr<AdbSync*> PhoneLine::sync(const OpContext& ctx) {
  if (sync_ == nullptr) {
    MOORING_ASSIGN_OR_RETURN(sync_, phone_.device->Sync(ctx));
  }
  return sync_.get();
}

absl::Status PhoneLine::Run(const OpContext& ctx, absl::FunctionRef<absl::Status()> work) {
  for (;;) {
    const absl::Status status = work();
    if (!IsPhoneLost(status) || returns_ >= kReturnsMax) return status;
    const absl::Status back =
        AwaitUsable(ctx, patience_.unplugged,
                    "The phone was unplugged: plug it in again and it goes on where it was");
    if (absl::IsUnavailable(back)) {
      return Failure(absl::StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED,
                     "the phone was unplugged and did not come back",
                     "plug it in again and leave it until it says that it is safe to unplug");
    }
    MOORING_RETURN_IF_ERROR(back);
    ++returns_;
    const std::string who = AskWho(ctx);
    if (who.empty() || platform_id_.empty() || who == platform_id_) continue;
    return Failure(absl::StatusCode::kFailedPrecondition, v1::CAUSE_ANOTHER_PHONE,
                   "another phone with the same serial number was plugged in",
                   "unplug it, and plug in again the one that was being backed up");
  }
}

}  // namespace mooring::agent
