// Trust: from whatever state a phone is in to one where a backup can start.
//
//   not paired --Pair--> asks its owner --Trust--> paired --unlock--> ready
//   pairing lost (refused host, failed TLS) is the same as not paired
//
// usbmuxd pairs on its own when a phone is attached, so the question may be on
// the phone's screen, or answered, before we ask.

#pragma once

#include <memory>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "agent/device/device.h"
#include "agent/ios/lockdown.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

struct TrustPatience {
  // How long the owner may take to answer the question, and to unlock.
  absl::Duration trust_max = absl::Minutes(10);
  absl::Duration unlock_max = absl::Minutes(10);
  absl::Duration poll_first = absl::Milliseconds(500);
  absl::Duration poll_max = absl::Seconds(3);
};

// What the owner has to do for `error`, as waiting-for and a sentence; nullopt
// where waiting would not help.
struct OwnersMove {
  v1::WaitingFor waiting_for = v1::WAITING_FOR_UNSPECIFIED;
  std::string sentence;
};
std::optional<OwnersMove> OwnersMoveFor(const absl::Status& error);

// A session with a phone that trusts us and is unlocked; waits for its owner,
// and says so. kPermissionDenied: refused, or supervised. kDeadlineExceeded:
// the owner did not come.
absl::StatusOr<std::unique_ptr<Lockdown>> AwaitTrust(const OpContext& ctx, Clock& clock,
                                                     const TrustPatience& patience,
                                                     AttachedPhone& phone, ProgressSink& progress);

}  // namespace mooring::agent
