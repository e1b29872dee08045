// PhoneSession: what a backup and a restore both hold while they talk to the
// phone: the paired session, the file service, the notifications and the sync lock.

#pragma once

#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/device/device.h"
#include "agent/ios/lockdown.h"
#include "agent/ios/mb2_session.h"
#include "agent/ios/notifications.h"
#include "agent/ios/phone_failure.h"
#include "agent/ios/sync_lock.h"
#include "agent/ios/trust.h"
#include "storage/base/clock.h"

namespace mooring::agent {

// How long the engine bears with a phone and its owner.
struct IosPatience {
  TrustPatience trust;
  // Silence of a conversation. Phones scan for minutes without a word, and the
  // passcode sheet stays up for some.
  absl::Duration silence_max = absl::Minutes(20);
};

// Thread-bound. `clock` and `patience` must outlive it.
class PhoneSession {
 public:
  // Connects without waiting for the owner. Nothing of the content is read.
  static absl::StatusOr<std::unique_ptr<PhoneSession>> Connect(Clock& clock,
                                                               const IosPatience& patience,
                                                               const std::string& serial);

  AttachedPhone& phone() { return phone_; }
  Lockdown& lockdown() { return *lockdown_; }
  // Starts the file service at the first call.
  absl::StatusOr<afc_client_t> afc();
  // Takes the sync lock, which is held until this session ends.
  absl::Status LockSync(const OpContext& ctx);

  // One request of MobileBackup2, served from `files` until the phone's
  // response, told to `progress` as `phase`. `udid` is the directory that the
  // phone's paths begin with. Needs LockSync. A response with an error code is
  // the Failure that `task` makes of it.
  struct Request {
    PhoneTask task = PhoneTask::kBackup;
    std::string udid;
    Plist message;
  };
  absl::StatusOr<Mb2Response> Converse(const OpContext& ctx, const Request& request,
                                       PhoneFiles& files, ProgressSink& progress);

  // `status`, and where a connection ended, whether the phone was unplugged or
  // dropped it.
  absl::Status Explain(const OpContext& ctx, const absl::Status& status) const;

 private:
  PhoneSession(Clock& clock, const IosPatience& patience, AttachedPhone phone)
      : clock_(clock), patience_(patience), phone_(std::move(phone)) {}

  Clock& clock_;
  const IosPatience& patience_;
  AttachedPhone phone_;
  std::unique_ptr<Lockdown> lockdown_;
  AfcHandle afc_;
  std::unique_ptr<Notifications> notifications_;
  std::unique_ptr<SyncLock> sync_lock_;
};

}  // namespace mooring::agent
