// SocketWait: waits for a non-blocking socket with the patience that phones
// need: as long as somebody may still answer, never longer, and never deaf to a
// request to stop.

#pragma once

#include <functional>
#include <string>

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Called about once a second while a call waits, with how long it has; an error
// ends the wait.
using QuietListener = std::function<absl::Status(absl::Duration quiet)>;

// Thread-bound. The socket outlives it.
class SocketWait {
 public:
  // `phone` is what messages call the other end, for example "iPhone".
  SocketWait(Clock& clock, int socket, absl::Duration silence_max, std::string phone)
      : clock_(clock), socket_(socket), silence_max_(silence_max), phone_(std::move(phone)) {}

  void SetQuietListener(QuietListener listener) { listener_ = std::move(listener); }

  // Something moved: the silence is counted from now on.
  void Restart();

  struct For {
    bool reading = false;
    bool writing = false;
  };
  // Returns once the socket is ready for one of `what`, or has failed: the next
  // call on it tells. kCancelled and kDeadlineExceeded as the context asks,
  // kDeadlineExceeded (CAUSE_PHONE_STALLED) after `silence_max` since Restart,
  // and whatever the listener returns.
  absl::Status Await(const OpContext& ctx, For what);

 private:
  Clock& clock_;
  const int socket_;
  const absl::Duration silence_max_;
  const std::string phone_;
  QuietListener listener_;
  absl::Duration since_;
  absl::Duration told_at_;
};

// kCancelled with its cause if a stop was requested.
absl::Status CheckNotStopped(const OpContext& ctx);

}  // namespace mooring::agent
