// SessionBoard: what the sessions of this moment are doing, for those who watch.
// The catalog has the sessions; the board has their last word, in memory.

#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <stop_token>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/time/time.h>

#include "mooring/v1/common.pb.h"
#include "mooring/v1/fleet.pb.h"
#include "server/metrics/fleet_figures.h"
#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/base/mutex.h"

namespace mooring::server {

// Thread-safe.
class SessionBoard {
 public:
  explicit SessionBoard(Clock& clock) : clock_(clock) {}

  // `session` runs; its progress is kept if it was on the board before.
  void Put(const v1::Session& session);
  // Nothing if the session is not on the board, or is not `agent`'s.
  bool SetProgress(const SessionId& id, const AgentId& agent, const v1::Progress& progress);
  // Counts sealed bytes that the server had not had.
  void AddNewBytes(const SessionId& id, std::uint64_t bytes);
  // It is over. Watchers hear of it once; the board then forgets it.
  void End(const SessionId& id, v1::SessionState state, v1::Cause cause,
           const std::string& message);

  // It goes on elsewhere: nothing is said of it.
  void Forget(const SessionId& id);

  std::optional<v1::Session> Find(const SessionId& id) const;
  std::vector<v1::Session> Running() const;
  // By phase and what they wait for.
  void Count(SessionFigures& figures) const;

  // Sessions that changed after `seen`, which is brought up to date. Waits up to
  // `timeout` for one. Ended sessions are remembered for the last 256.
  std::vector<v1::Session> ChangedSince(std::uint64_t& seen, absl::Duration timeout,
                                        std::stop_token stop);

  // Progress that has not been handed out by this call before.
  struct Heard {
    SessionId session;
    AgentId agent;
    v1::Progress progress;
  };
  std::vector<Heard> TakeUnstored();

 private:
  struct Row {
    v1::Session session;
    std::uint64_t version = 0;
    bool stored = true;
  };

  void Touch(Row& row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock& clock_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::uint64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<SessionId, Row> rows_ ABSL_GUARDED_BY(mutex_);
  std::deque<Row> ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::server
