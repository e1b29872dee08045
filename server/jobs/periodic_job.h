// PeriodicJob: a thread that does one thing again and again until it is stopped.
// A round that fails is logged and tried again with the next.

#pragma once

#include <functional>
#include <string>
#include <thread>

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "server/log/log.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::server {

class PeriodicJob {
 public:
  using Round = std::function<absl::Status(const OpContext&)>;

  // The first round runs at once. A round is given `deadline`. `clock` and `log`
  // outlive the job; the destructor ends it.
  PeriodicJob(std::string name, absl::Duration period, absl::Duration deadline, Clock& clock,
              Log& log, Round round);

 private:
  void Run(std::stop_token stop);

  const std::string name_;
  const absl::Duration period_;
  const absl::Duration deadline_;
  Clock& clock_;
  Log& log_;
  const Round round_;
  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace mooring::server
