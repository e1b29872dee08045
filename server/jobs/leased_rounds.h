// LeasedRounds: rounds of jobs that run once in the fleet of servers.
//
// A round takes the job's lease and its turn in one transaction. While it works the
// lease is renewed; a round whose lease was lost, or could not be renewed in time,
// is told to stop. What a server that died had leased is free once that lease ends.

#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "server/log/log.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"

namespace mooring::server {

inline constexpr absl::Duration kJobLease = absl::Minutes(2);

// Thread-safe.
class LeasedRounds {
 public:
  using Round = std::function<absl::Status(const OpContext&)>;

  // `holder` names this process among all servers'. What it is given outlives it.
  LeasedRounds(storage::Catalog& catalog, Clock& clock, Log& log, std::string holder,
               absl::Duration lease = kJobLease)
      : catalog_(catalog), clock_(clock), log_(log), holder_(std::move(holder)), lease_(lease) {}

  // Runs `round` unless another server runs the job, or any has begun one within
  // about `period`; then OK without it. kAborted: the lease was lost meanwhile.
  absl::Status Run(const OpContext& ctx, const std::string& job, absl::Duration period,
                   const Round& round);

 private:
  absl::StatusOr<bool> Take(const OpContext& ctx, const std::string& job, absl::Duration period);
  absl::StatusOr<bool> Renew(const std::string& job);
  void Return(const std::string& job);
  // Until `stop`, or the lease is lost: then `lost` is requested.
  void Keep(const std::string& job, std::stop_token stop, std::stop_source& lost);

  storage::Catalog& catalog_;
  Clock& clock_;
  Log& log_;
  const std::string holder_;
  const absl::Duration lease_;
};

}  // namespace mooring::server
