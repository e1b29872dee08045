// One piece of work with one phone: a probe, a backup or a restore, and those
// who want to hear how it goes.

#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "mooring/session/v1/desk.pb.h"
#include "mooring/session/v1/session.pb.h"
#include "storage/base/mutex.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// What a job says, for one who waits: the newest progress, and at last the end.
// Thread-safe.
class JobWatch {
 public:
  void PostProgress(const v1::Progress& progress);
  void PostFinished(const session::v1::Finished& finished);

  // The next news; nullopt after the end, or when `ctx` stops.
  std::optional<session::v1::DeskResponse> Next(const OpContext& ctx);

 private:
  Mutex mutex_;
  CondVar changed_;
  std::optional<v1::Progress> progress_ ABSL_GUARDED_BY(mutex_);
  std::optional<session::v1::Finished> finished_ ABSL_GUARDED_BY(mutex_);
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

// Guarded by the daemon's lock, but for `stop`.
struct Job {
  session::v1::Start start;
  // Began by itself, because the phone was due.
  bool automatic = false;
  std::vector<std::shared_ptr<JobWatch>> watches;
  v1::Progress progress;
  // Of a restore that the server ordered.
  std::string restore_id;
  bool over = false;
  std::stop_source stop;
  // Why `stop` was requested; set before it is.
  std::atomic<v1::Cause> stop_cause = v1::CAUSE_CANCELLED;
  std::jthread thread;

  const std::string& serial() const { return start.serial(); }
  session::v1::Start::Task task() const { return start.task(); }
  bool is_probe() const { return task() == session::v1::Start::TASK_PROBE; }
};

}  // namespace mooring::agent
