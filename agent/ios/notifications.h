// Notifications: the phone's notification proxy on our own stream, so that it
// is read on the engine's thread whenever that waits anyway.

#pragma once

#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/ios/lockdown.h"
#include "agent/ios/plist_channel.h"

namespace mooring::agent {

inline constexpr const char* kSyncWillStart = "com.apple.itunes-mobdev.syncWillStart";
inline constexpr const char* kSyncLockRequest = "com.apple.itunes-mobdev.syncLockRequest";
inline constexpr const char* kSyncDidStart = "com.apple.itunes-mobdev.syncDidStart";
inline constexpr const char* kSyncDidFinish = "com.apple.itunes-mobdev.syncDidFinish";
inline constexpr const char* kSyncCancelRequest = "com.apple.itunes-client.syncCancelRequest";
inline constexpr const char* kPasscodeSheetShown = "com.apple.LocalAuthentication.ui.presented";
inline constexpr const char* kPasscodeSheetGone = "com.apple.LocalAuthentication.ui.dismissed";

// Thread-bound.
class Notifications {
 public:
  // Connects and observes the three that matter here.
  static absl::StatusOr<std::unique_ptr<Notifications>> Start(const OpContext& ctx, Clock& clock,
                                                              Lockdown& lockdown);

  absl::Status Post(const OpContext& ctx, const char* name);

  // The name of the next notification that has arrived, or empty. Never waits
  // longer than it takes to finish one that has begun to arrive.
  absl::StatusOr<std::string> Next(const OpContext& ctx);

 private:
  explicit Notifications(PhoneService service)
      : service_(std::move(service)), channel_(*service_.stream, PlistLimits{}) {}

  absl::Status Observe(const OpContext& ctx, const char* name);

  PhoneService service_;
  PlistChannel channel_;
};

}  // namespace mooring::agent
