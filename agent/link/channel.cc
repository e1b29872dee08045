#include "agent/link/channel.h"

#include <chrono>
#include <functional>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include "agent/device/cause.h"
#include "agent/link/backoff.h"
#include "proto/grpc_library.h"

namespace mooring::agent {
namespace {

// A sealed chunk with room to spare; as the server's.
constexpr int kMessageBytesMax = 24 << 20;

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const TlsIdentity& identity) {
  KeepGrpcUp();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = identity.ca;
  options.pem_cert_chain = identity.certificate_chain;
  options.pem_private_key = identity.private_key;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  // Channels do not share connections: a renewed certificate must be used.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The environment's HTTP proxies are not for us.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(options), arguments);
}

ServerChannel::ServerChannel(AddressBook addresses, TlsIdentity identity)
    : addresses_(std::move(addresses)), identity_(std::move(identity)) {
  channel_ = MakeChannel(addresses_->current(), identity_);
}

std::shared_ptr<grpc::Channel> ServerChannel::Get() const {
  MutexLock lock(mutex_);
  return channel_;
}

std::string ServerChannel::address() const {
  MutexLock lock(mutex_);
  return addresses_ ? addresses_->current() : "";
}

bool ServerChannel::has_several() const {
  MutexLock lock(mutex_);
  return addresses_ && addresses_->all().size() > 1;
}

void ServerChannel::MoveOn(const std::shared_ptr<grpc::Channel>& failed) {
  MutexLock lock(mutex_);
  if (channel_ != failed || !addresses_ || !addresses_->MoveOn(addresses_->current())) return;
  channel_ = MakeChannel(addresses_->current(), identity_);
}

void ServerChannel::Renew(TlsIdentity identity) {
  MutexLock lock(mutex_);
  if (!addresses_) return;
  identity_ = std::move(identity);
  channel_ = MakeChannel(addresses_->current(), identity_);
}

bool ServerChannel::Learn(const std::vector<std::string>& addresses) {
  MutexLock lock(mutex_);
  return addresses_ && addresses_->Learn(addresses);
}

std::shared_ptr<grpc::Channel> AwaitConnection(ServerChannel& channel, const OpContext& ctx,
                                               absl::Duration patience) {
  constexpr absl::Duration kSlice = absl::Milliseconds(100);
  constexpr absl::Duration kSilenceMax = absl::Seconds(3);
  std::shared_ptr<grpc::Channel> current = channel.Get();
  absl::Duration silent;
  for (absl::Duration waited; waited < patience && !ctx.stop.stop_requested(); waited += kSlice) {
    if (current->WaitForConnected(std::chrono::system_clock::now() +
                                  absl::ToChronoMilliseconds(kSlice))) {
      break;
    }
    silent += kSlice;
    const bool refused = current->GetState(false) == GRPC_CHANNEL_TRANSIENT_FAILURE;
    if (channel.has_several() && (refused || silent >= kSilenceMax)) {
      channel.MoveOn(current);
      silent = absl::ZeroDuration();
    }
    current = channel.Get();
  }
  return current;
}

absl::Status WithServerCause(const OpContext& ctx, const absl::Status& status) {
  if (status.ok() || DetailOf(status) || ctx.stop.stop_requested()) return status;
  if (IsWorthRetrying(status)) {
    return Failure(status.code(), v1::CAUSE_SERVER_UNREACHABLE,
                   fmt::format("the server cannot be reached: {}", std::string(status.message())),
                   "check the network; mooring-agent doctor says more");
  }
  return status;
}

CallScope::CallScope(grpc::ClientContext& context, const OpContext& ctx, absl::Duration timeout)
    : cancel_(ctx.stop, [&context] { context.TryCancel(); }) {
  if (timeout != absl::InfiniteDuration()) {
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
  }
}

}  // namespace mooring::agent
