// SyncLock: keeps other programs from syncing the phone while we work, the way
// iTunes does: a lock on /com.apple.itunes.lock_sync and notifications around it.

#pragma once

#include <cstdint>
#include <memory>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/ios/imd.h"
#include "agent/ios/notifications.h"

namespace mooring::agent {

// Held from Take to destruction. Thread-bound. `notifications` must outlive it.
class SyncLock {
 public:
  // Waits up to ten seconds. kAborted: another program syncs the phone.
  static absl::StatusOr<std::unique_ptr<SyncLock>> Take(const OpContext& ctx, Clock& clock,
                                                        afc_client_t afc,
                                                        Notifications& notifications);
  ~SyncLock();

 private:
  SyncLock(afc_client_t afc, std::uint64_t file, Notifications& notifications)
      : afc_(afc), file_(file), notifications_(notifications) {}

  const afc_client_t afc_;
  const std::uint64_t file_;
  Notifications& notifications_;
  bool locked_ = false;
};

}  // namespace mooring::agent
