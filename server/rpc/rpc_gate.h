// RpcGate: the one way into every handler. Proves the caller, checks the
// permission that the RPC declares, gives the handler its deadline, and turns
// its status into what an outsider may see, with metrics and a log line.

#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>
#include <grpcpp/server_context.h>

#include "server/auth/authenticator.h"
#include "server/auth/permissions.h"
#include "server/log/log.h"
#include "server/metrics/server_metrics.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"

namespace mooring::server {

// Longest time that a unary call may take.
inline constexpr absl::Duration kUnaryDeadline = absl::Minutes(2);

// `status` as an outsider may see it: texts that may speak of our insides become
// an incident id that the log has too; `incident` is left empty where nothing was
// withheld.
absl::Status ForOutsiders(const absl::Status& status, Random& random, std::string& incident);

// One per listener. Thread-safe.
class RpcGate {
 public:
  // `drain` is requested when the server shuts down: later calls are refused.
  RpcGate(const PermissionTable& permissions, Authenticator& authenticator,
          FailureLimiter& failures, ServerMetrics& metrics, Log& log, Clock& clock, Random& random,
          std::stop_token drain);

  using Body = absl::FunctionRef<absl::Status(const Caller&, const OpContext&)>;

  // Runs `body` for a caller who may call `method` ("mooring.v1.X.Y").
  grpc::Status Unary(std::string_view method, const grpc::ServerContextBase& context, Body body);
  // The same without a deadline.
  grpc::Status Stream(std::string_view method, const grpc::ServerContextBase& context, Body body);

  // The two halves, for reactors: may this caller call `method`?
  absl::StatusOr<Caller> Admit(std::string_view method, const PeerEvidence& evidence);
  grpc::Status Finish(std::string_view method, const absl::Status& status, std::string_view actor,
                      absl::Duration took);

  std::stop_token drain() const { return drain_; }

 private:
  grpc::Status Run(std::string_view method, const grpc::ServerContextBase& context,
                   absl::Duration deadline, Body body);

  const PermissionTable& permissions_;
  Authenticator& authenticator_;
  FailureLimiter& failures_;
  ServerMetrics& metrics_;
  Log& log_;
  Clock& clock_;
  Random& random_;
  const std::stop_token drain_;
};

}  // namespace mooring::server
