// PhoneLine: the phone of one session, through being unplugged and plugged in
// again. Whatever a session has captured so far is kept while it waits, so that
// it goes on where it was: with the file that was in flight.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "agent/android/adb_device.h"
#include "agent/android/probe.h"
#include "agent/device/device.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// How long the engine bears with a phone and its owner.
struct AndroidPatience {
  // For the owner to allow this computer, or to unlock the phone.
  absl::Duration owner = absl::Minutes(5);
  // For a phone that was unplugged in the middle of a session.
  absl::Duration unplugged = absl::Minutes(10);
  absl::Duration poll = absl::Seconds(1);
};

// Looks for the session's phone, identified by more than its adb serial.
// kUnavailable: not there now.
using FindPhone = std::function<absl::StatusOr<AndroidPhone>(const OpContext& ctx)>;

// The phone went away in the middle of something.
bool IsPhoneLost(const absl::Status& status);

// Whether every other step of a session would meet the same: called off, no
// phone or another one, no room. A phone that hangs or talks nonsense in one does not.
bool EndsSession(const absl::Status& status);

// Thread-bound. `clock`, `progress` outlive it.
class PhoneLine {
 public:
  PhoneLine(Clock& clock, const AndroidPatience& patience, FindPhone find, ProgressSink& progress)
      : clock_(clock), patience_(patience), find_(std::move(find)), progress_(progress) {}

  // Waits for a phone that can be used. Failures carry a cause.
  absl::Status Open(const OpContext& ctx);
  // Valid after Open until the next call that waits.
  AdbDevice& device() { return *phone_.device; }
  // Its file service, opened at the first call.
  absl::StatusOr<AdbSync*> sync(const OpContext& ctx);

  // What the progress says while work goes on; said again after a wait.
  void Say(v1::Phase phase, const std::string& message);

  // Runs `work` until it ends with anything but a lost phone, waiting for the
  // phone in between. `work` begins where it was, not from the start.
  // kUnavailable (CAUSE_UNPLUGGED): the phone did not come back in time.
  // kFailedPrecondition (CAUSE_ANOTHER_PHONE): one with its serial number did.
  absl::Status Run(const OpContext& ctx, absl::FunctionRef<absl::Status()> work);

  // Times that the phone was lost and came back.
  int returns() const { return returns_; }

 private:
  // The platform's own id of the phone that is there; empty if it does not tell.
  std::string AskWho(const OpContext& ctx);
  absl::Status AwaitUsable(const OpContext& ctx, absl::Duration patience, const std::string& what);

  Clock& clock_;
  const AndroidPatience patience_;
  const FindPhone find_;
  ProgressSink& progress_;
  v1::Phase phase_ = v1::PHASE_CONNECTING;
  std::string message_;
  AndroidPhone phone_;
  std::unique_ptr<AdbSync> sync_;
  // Whose session this is.
  std::string platform_id_;
  int returns_ = 0;
};

}  // namespace mooring::agent
