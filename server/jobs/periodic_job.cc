#include "server/jobs/periodic_job.h"

#include <utility>

namespace mooring::server {

PeriodicJob::PeriodicJob(std::string name, absl::Duration period, absl::Duration deadline,
                         Clock& clock, Log& log, Round round)
    : name_(std::move(name)),
      period_(period),
      deadline_(deadline),
      clock_(clock),
      log_(log),
      round_(std::move(round)),
      thread_([this](std::stop_token stop) { Run(std::move(stop)); }) {}

void PeriodicJob::Run(std::stop_token stop) {
  do {
    const absl::Status status = round_({.deadline = clock_.Now() + deadline_, .stop = stop});
    if (!status.ok() && !stop.stop_requested()) {
      log_.Warning("job.failed", {{"job", name_}, {"message", std::string(status.message())}});
    }
  } while (clock_.Sleep(period_, stop));
}

}  // namespace mooring::server
