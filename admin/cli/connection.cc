#include "admin/cli/connection.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "proto/grpc_library.h"
#include "storage/base/status.h"

namespace mooring::admin {

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeTlsChannel(const cli::v1::CliConfig& config) {
  // Without roots of its own gRPC would trust every public CA.
  if (config.ca_pem().find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return absl::InvalidArgumentError(
        "the CA file holds no PEM certificate; use the ca.pem that `mooringd init` left");
  }
  KeepGrpcUp();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = config.ca_pem();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetUserAgentPrefix("mooring/" MOORING_VERSION);
  return grpc::CreateCustomChannel(config.server(), grpc::SslCredentials(options), arguments);
}

absl::Status WithNextStep(const absl::Status& status, const std::string& next_step) {
  v1::ErrorDetail detail = ErrorDetailOf(status).value_or(v1::ErrorDetail());
  detail.set_next_step(next_step);
  return WithErrorDetail(status, detail);
}

std::string NextStepOf(const absl::Status& status) {
  return ErrorDetailOf(status).value_or(v1::ErrorDetail()).next_step();
}

void Connection::Prepare(grpc::ClientContext& context, absl::Duration timeout) const {
  context.AddMetadata("authorization", "Bearer " + token_);
  if (timeout != absl::InfiniteDuration()) {
    context.set_deadline(absl::ToChronoTime(clock_.Now() + timeout));
  }
}

absl::Status Connection::Explain(const absl::Status& status) const {
  if (status.ok() || !NextStepOf(status).empty()) return status;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return WithNextStep(Annotate(status, "cannot reach " + server_),
                          "is the server running, and is its CA the right one? "
                          "`mooring doctor` finds out");
    case absl::StatusCode::kUnauthenticated:
      return WithNextStep(status, "get a new token and run `mooring login`");
    case absl::StatusCode::kUnimplemented:
      return WithNextStep(Annotate(status, server_ + " does not know this command"),
                          "`mooring server status` shows the server's version");
    default:
      return status;
  }
}

}  // namespace mooring::admin
