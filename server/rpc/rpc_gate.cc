#include "server/rpc/rpc_gate.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "proto/rpc_status.h"
#include "server/rpc/tls.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

constexpr absl::Duration kAdmitDeadline = absl::Seconds(20);

std::string_view PermissionHint(v1::Permission permission) {
  switch (permission) {
    case v1::PERMISSION_AGENT:
      return "only an enrolled agent may do this";
    case v1::PERMISSION_VIEW:
      return "this token may not see the fleet's status";
    case v1::PERMISSION_OPERATE:
      return "this token may not operate the fleet";
    case v1::PERMISSION_POLICY:
      return "this token may not change policy";
    case v1::PERMISSION_APPROVE:
      return "this token may not approve requests";
    case v1::PERMISSION_GRANT:
      return "this token may not read content under a grant";
    default:
      return "nobody may do this";
  }
}

}  // namespace

absl::Status ForOutsiders(const absl::Status& status, Random& random, std::string& incident) {
  std::string_view text;
  switch (status.code()) {
    case absl::StatusCode::kInternal:
      text = "the server failed";
      break;
    case absl::StatusCode::kDataLoss:
      text = "stored data is damaged";
      break;
    case absl::StatusCode::kUnknown:
      text = "the outcome is not known; ask again";
      break;
    case absl::StatusCode::kUnavailable:
      text = "the server's database or store is not available now; try again in a moment";
      break;
    default:
      return status;
  }
  std::array<std::byte, 6> bytes;
  random.Fill(bytes);
  incident = ToHex(bytes);
  absl::Status shown(status.code(),
                     fmt::format("{} (incident {} in the server's log)", text, incident));
  v1::ErrorDetail detail = ErrorDetailOf(status).value_or(v1::ErrorDetail());
  detail.set_incident(incident);
  if (detail.cause() == v1::CAUSE_UNSPECIFIED) detail.set_cause(v1::CAUSE_SERVER_ERROR);
  if (status.code() == absl::StatusCode::kUnknown) detail.set_in_doubt(true);
  return WithErrorDetail(std::move(shown), detail);
}

RpcGate::RpcGate(const PermissionTable& permissions, Authenticator& authenticator,
                 FailureLimiter& failures, ServerMetrics& metrics, Log& log, Clock& clock,
                 Random& random, std::stop_token drain)
    : permissions_(permissions),
      authenticator_(authenticator),
      failures_(failures),
      metrics_(metrics),
      log_(log),
      clock_(clock),
      random_(random),
      drain_(std::move(drain)) {}

grpc::Status RpcGate::Unary(std::string_view method, const grpc::ServerContextBase& context,
                            Body body) {
  return Run(method, context, kUnaryDeadline, body);
}

grpc::Status RpcGate::Stream(std::string_view method, const grpc::ServerContextBase& context,
                             Body body) {
  return Run(method, context, absl::InfiniteDuration(), body);
}

grpc::Status RpcGate::Run(std::string_view method, const grpc::ServerContextBase& context,
                          absl::Duration deadline, Body body) {
  const absl::Duration begin = clock_.Monotonic();
  const absl::StatusOr<Caller> caller = Admit(method, EvidenceOf(context));
  if (!caller.ok()) {
    return Finish(method, caller.status(), "anonymous", clock_.Monotonic() - begin);
  }
  const OpContext ctx{.deadline = clock_.Now() + deadline, .stop = {}};
  const absl::Status status = body(*caller, ctx);
  return Finish(method, status, caller->actor(), clock_.Monotonic() - begin);
}

absl::StatusOr<Caller> RpcGate::Admit(std::string_view method, const PeerEvidence& evidence) {
  if (drain_.stop_requested()) {
    return WithCause(absl::UnavailableError("the server is shutting down"),
                     v1::CAUSE_SERVER_UNREACHABLE, "wait until it is back");
  }
  const v1::Permission required = permissions_.Required(method);
  if (required == v1::PERMISSION_PUBLIC) return Caller{};
  // Whoever shows a certificate of ours has nothing to guess; agents share addresses.
  const bool may_guess = evidence.certificate.empty();
  if (may_guess) MOORING_RETURN_IF_ERROR(failures_.Check(evidence.address));
  const OpContext ctx{.deadline = clock_.Now() + kAdmitDeadline, .stop = drain_};
  absl::StatusOr<Caller> caller = authenticator_.Authenticate(ctx, evidence);
  if (!caller.ok()) {
    if (may_guess && absl::IsUnauthenticated(caller.status())) failures_.Failed(evidence.address);
    return caller.status();
  }
  if (caller->Has(required) && required != v1::PERMISSION_UNSPECIFIED) return caller;
  if (caller->kind == Caller::Kind::kAnonymous) {
    return absl::UnauthenticatedError("no token was sent; run `mooring login` first");
  }
  return absl::PermissionDeniedError(ToAbsl(PermissionHint(required)));
}

grpc::Status RpcGate::Finish(std::string_view method, const absl::Status& status,
                             std::string_view actor, absl::Duration took) {
  std::string incident;
  const absl::Status shown = absl::IsUnavailable(status) && ErrorDetailOf(status)
                                 ? status
                                 : ForOutsiders(status, random_, incident);
  const std::string code = absl::StatusCodeToString(status.code());
  metrics_.ObserveRequest(method, code, took);
  if (!incident.empty()) {
    log_.Error("rpc.failed", {{"method", std::string(method)},
                              {"actor", std::string(actor)},
                              {"code", code},
                              {"incident", incident},
                              {"message", std::string(status.message())}});
  } else if (!status.ok()) {
    log_.Info("rpc.refused", {{"method", std::string(method)},
                              {"actor", std::string(actor)},
                              {"code", code},
                              {"message", std::string(status.message())}});
  }
  return ToGrpcStatus(shown);
}

}  // namespace mooring::server
