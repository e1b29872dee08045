#include "server/rpc/listener.h"

#include <utility>

#include <fmt/format.h>
#include <grpc/support/time.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>

#include "proto/grpc_library.h"
#include "server/config/server_config.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

constexpr int kMetadataBytesMax = 8 << 10;
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
constexpr int kPingIntervalMinMs = 5'000;

void SetLimits(grpc::ServerBuilder& builder, const ListenerOptions& options) {
  grpc::ResourceQuota quota(options.name);
  quota.SetMaxThreads(options.threads_max);
  quota.Resize(options.memory_max);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.SetMaxSendMessageSize(kMessageBytesMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.streams_max);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  // A workstation that is unplugged or asleep is noticed within a minute.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kPingIntervalMinMs);
  // Two servers on one port would share its connections at random.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  if (options.idle_max != absl::InfiniteDuration()) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                               static_cast<int>(absl::ToInt64Milliseconds(options.idle_max)));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Start(
    const ListenerOptions& options, std::shared_ptr<grpc::ServerCredentials> credentials,
    const std::vector<grpc::Service*>& services) {
  MOORING_ASSIGN_OR_RETURN(const HostPort wanted, ParseHostPort(options.address));
  KeepGrpcUp();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  std::vector<int> ports{wanted.port};
  if (wanted.port == 0 && options.preferred_port != 0) ports = {options.preferred_port, 0};
  for (const int port : ports) {
    grpc::ServerBuilder builder;
    SetLimits(builder, options);
    auto listener = std::unique_ptr<Listener>(new Listener);
    builder.AddListeningPort(JoinHostPort(wanted.host, port), credentials, &listener->port_);
    for (grpc::Service* service : services) builder.RegisterService(service);
    listener->server_ = builder.BuildAndStart();
    if (listener->server_ == nullptr || listener->port_ == 0) continue;
    listener->address_ = JoinHostPort(wanted.host, listener->port_);
    return listener;
  }
  return absl::UnavailableError(
      fmt::format("cannot listen on {} for {}; is the port taken?", options.address, options.name));
}

Listener::~Listener() {
  if (server_ != nullptr) Shutdown(absl::ZeroDuration());
}

void Listener::Shutdown(absl::Duration grace) {
  if (server_ == nullptr) return;
  server_->Shutdown(
      gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
                   gpr_time_from_millis(absl::ToInt64Milliseconds(grace), GPR_TIMESPAN)));
  server_->Wait();
  server_.reset();
}

}  // namespace mooring::server
