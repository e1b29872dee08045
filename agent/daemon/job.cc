#include "agent/daemon/job.h"

#include <utility>

namespace mooring::agent {

void JobWatch::PostProgress(const v1::Progress& progress) {
  MutexLock lock(mutex_);
  progress_ = progress;
  changed_.NotifyAll();
}

void JobWatch::PostFinished(const session::v1::Finished& finished) {
  MutexLock lock(mutex_);
  finished_ = finished;
  changed_.NotifyAll();
}

std::optional<session::v1::DeskResponse> JobWatch::Next(const OpContext& ctx) {
  MutexLock lock(mutex_);
  if (over_) return std::nullopt;
  changed_.Wait(mutex_, ctx.stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return progress_.has_value() || finished_.has_value();
  });
  session::v1::DeskResponse response;
  if (progress_) {
    *response.mutable_progress() = *std::exchange(progress_, std::nullopt);
    return response;
  }
  if (!finished_) return std::nullopt;
  over_ = true;
  *response.mutable_finished() = *finished_;
  return response;
}

}  // namespace mooring::agent
