// The connection to the server: mutual TLS, where the server's certificate must
// chain to the CA that was pinned at enrollment and to nothing else.

#pragma once

#include <memory>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "proto/rpc_status.h"
#include "storage/base/mutex.h"
#include "storage/base/op_context.h"
#include "storage/base/status.h"

namespace mooring::agent {

// PEM texts. Certificate and key are empty on the enrollment port.
struct TlsIdentity {
  std::string ca;
  std::string certificate_chain;
  std::string private_key;
};

// `address` is HOST:PORT. Connects when it is first used.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address, const TlsIdentity& identity);

// The channel of the running agent; another one after a renewal. Thread-safe.
class ServerChannel {
 public:
  explicit ServerChannel(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {}

  std::shared_ptr<grpc::Channel> Get() const {
    MutexLock lock(mutex_);
    return channel_;
  }
  void Replace(std::shared_ptr<grpc::Channel> channel) {
    MutexLock lock(mutex_);
    channel_ = std::move(channel);
  }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
};

// The channel, after waiting for at most `patience` that it connects. gRPC moves
// a connection on only while somebody waits inside it, so that calls which fail
// at once and are tried again later would never see one come up.
std::shared_ptr<grpc::Channel> AwaitConnection(const ServerChannel& channel, const OpContext& ctx,
                                               absl::Duration patience);

// Ends a call when its operation is called off. Lives as long as the call.
class CallScope {
 public:
  // Without a `timeout` (infinite) the call may take as long as it likes.
  CallScope(grpc::ClientContext& context, const OpContext& ctx, absl::Duration timeout);

 private:
  std::stop_callback<std::function<void()>> cancel_;
};

// `status` of a call; where the server was not reached, with the cause and what to do.
absl::Status WithServerCause(const OpContext& ctx, const absl::Status& status);

// One unary call: `invoke(context, response)` returns the gRPC status.
template <typename Response, typename Invoke>
absl::StatusOr<Response> CallOnce(const OpContext& ctx, absl::Duration timeout, Invoke invoke) {
  grpc::ClientContext context;
  const CallScope scope(context, ctx, timeout);
  Response response;
  const absl::Status status = FromGrpcStatus(invoke(context, response));
  if (ctx.stop.stop_requested()) return absl::CancelledError("called off");
  MOORING_RETURN_IF_ERROR(status);
  return response;
}

}  // namespace mooring::agent
