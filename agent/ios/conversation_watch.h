// ConversationWatch: what a person is told while a phone drives the
// conversation, and what the phone's notifications change about it.

#pragma once

#include <memory>

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "agent/device/device.h"
#include "agent/ios/mb2_session.h"
#include "agent/ios/notifications.h"

namespace mooring::agent {

// Thread-bound; everything given must outlive it.
class ConversationWatch final : public Mb2Listener {
 public:
  // `phase` is what the phone's messages mean: capturing or restoring.
  ConversationWatch(const OpContext& ctx, ProgressSink& progress, v1::Phase phase,
                    Notifications& notifications)
      : ctx_(ctx), progress_(progress), phase_(phase), notifications_(&notifications) {}

  absl::Status OnMessage() override;
  void OnPercent(int percent) override { progress_.Percent(percent); }
  void OnMoved(std::uint64_t files, std::uint64_t bytes) override { progress_.Moved(files, bytes); }

  // For PhoneStream::SetQuietListener. kCancelled (CAUSE_CANCELLED_ON_PHONE)
  // when the owner calls it off on the phone.
  absl::Status OnQuiet(absl::Duration quiet);

 private:
  absl::Status TakeNotifications();
  void Tell(v1::WaitingFor waiting_for, const char* sentence);

  const OpContext& ctx_;
  ProgressSink& progress_;
  const v1::Phase phase_;
  // Null once the proxy is gone: the conversation does not need it.
  Notifications* notifications_;
  bool has_begun_ = false;
  bool passcode_sheet_ = false;
  v1::WaitingFor told_ = v1::WAITING_FOR_UNSPECIFIED;
};

}  // namespace mooring::agent
