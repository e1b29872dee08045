// SlotQueue: who may run a backup now, and who waits. First come, first served.
//
// A slot is taken before anyone is asked for a passcode. Waiters poll with their
// idempotency key; one that stops polling loses its place. State is in memory:
// after a restart the open sessions of the catalog hold their slots again.

#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/base/mutex.h"

namespace mooring::server {

struct SlotLimits {
  std::uint32_t sessions_max = 50;
  std::uint32_t queue_max = 1000;
  // A waiter that has not polled for this long is dropped.
  absl::Duration abandoned_after = absl::Seconds(45);
};

// Who asks. `key` is the idempotency key of its BeginBackup.
struct SlotSeeker {
  std::string key;
  AgentId agent;
  std::string serial;
};

struct SlotAnswer {
  bool granted = false;
  std::uint32_t position = 0;  // Waiters ahead.
  absl::Duration retry_after = absl::ZeroDuration();
};

// Thread-safe.
class SlotQueue {
 public:
  SlotQueue(const SlotLimits& limits, Clock& clock) : limits_(limits), clock_(clock) {}

  // A slot, or a place in the queue. The same key again gets the same slot. An
  // agent that begins anew with a phone takes over the slot that it held for it.
  // kResourceExhausted: as many as may wait already do.
  absl::StatusOr<SlotAnswer> Ask(const SlotSeeker& seeker);

  // The slot of `key` is that of `session` from now on.
  void Bind(const std::string& key, const SessionId& session);
  // Gives a slot, or a place, back. Nothing if it is gone.
  void Release(const std::string& key);
  void Release(const SessionId& session);

  // A session that was open before the server started.
  void Resume(const SlotSeeker& seeker, const SessionId& session);

  std::uint32_t held() const;
  std::uint32_t waiting();
  std::uint32_t sessions_max() const { return limits_.sessions_max; }

 private:
  struct Holder {
    AgentId agent;
    std::string serial;
    SessionId session;        // None until bound.
    absl::Duration taken_at;  // Monotonic.
  };
  struct Waiter {
    SlotSeeker seeker;
    absl::Duration polled_at;  // Monotonic.
  };

  void DropAbandoned() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TakeOver(const SlotSeeker& seeker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Grant(const SlotSeeker& seeker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::uint32_t Free() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SlotLimits limits_;
  Clock& clock_;
  mutable Mutex mutex_;
  absl::flat_hash_map<std::string, Holder> holders_ ABSL_GUARDED_BY(mutex_);  // By key.
  std::deque<Waiter> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::server
