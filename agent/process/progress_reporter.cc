#include "agent/process/progress_reporter.h"

#include <utility>

namespace mooring::agent {
namespace {

constexpr absl::Duration kInterval = absl::Milliseconds(500);

}  // namespace

ProgressReporter::ProgressReporter(Clock& clock, absl::AnyInvocable<void(const v1::Progress&)> send)
    : clock_(clock), send_(std::move(send)) {
  progress_.set_percent(-1);
}

void ProgressReporter::Report(v1::Phase phase, v1::WaitingFor waiting_for,
                              const std::string& message) {
  MutexLock lock(mutex_);
  const bool changed = progress_.phase() != phase || progress_.waiting_for() != waiting_for ||
                       progress_.message() != message;
  progress_.set_phase(phase);
  progress_.set_waiting_for(waiting_for);
  progress_.set_message(message);
  SendIfDue(changed);
}

void ProgressReporter::Percent(int percent) {
  MutexLock lock(mutex_);
  progress_.set_percent(percent);
  SendIfDue(false);
}

void ProgressReporter::Moved(std::uint64_t files, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  progress_.set_files_done(progress_.files_done() + files);
  progress_.set_bytes_read(progress_.bytes_read() + bytes);
  SendIfDue(false);
}

void ProgressReporter::SendIfDue(bool now) {
  const absl::Duration time = clock_.Monotonic();
  if (!now && time - sent_at_ < kInterval) return;
  sent_at_ = time;
  send_(progress_);
}

}  // namespace mooring::agent
