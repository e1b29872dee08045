// The connection to the server: mutual TLS, where the server's certificate must
// chain to the CA that was pinned at enrollment and to nothing else.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "agent/link/address_book.h"
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

// The channel of the running agent: another one after a renewal, and another
// server's where one is not reached. Control stream and sessions share it, so they
// move together. Thread-safe.
class ServerChannel {
 public:
  // Over one connection that was made already.
  explicit ServerChannel(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {}
  ServerChannel(AddressBook addresses, TlsIdentity identity);

  std::shared_ptr<grpc::Channel> Get() const;
  // Of the server that is used now; empty for a connection that was made already.
  std::string address() const;
  bool has_several() const;

  // Goes on to another server from `failed`, unless someone else has done so.
  void MoveOn(const std::shared_ptr<grpc::Channel>& failed);
  // Connects with another identity from now on.
  void Renew(TlsIdentity identity);
  // What a server said of where servers are. True: it is news, which is to be kept.
  bool Learn(const std::vector<std::string>& addresses);

 private:
  mutable Mutex mutex_;
  std::optional<AddressBook> addresses_ ABSL_GUARDED_BY(mutex_);
  TlsIdentity identity_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
};

// The channel, after waiting for at most `patience` that it connects; a server that
// refuses, or does not answer for a few seconds, is left for another one. gRPC moves
// a connection on only while somebody waits inside it, so that calls which fail
// at once and are tried again later would never see one come up.
std::shared_ptr<grpc::Channel> AwaitConnection(ServerChannel& channel, const OpContext& ctx,
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
