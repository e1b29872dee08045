// Listener: one gRPC port with its services, limits, health and reflection.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

namespace mooring::server {

// Largest message either way: 8 MiB of chunks with their framing, or the
// references of a snapshot of half a million chunks.
inline constexpr int kMessageBytesMax = 16 << 20;

struct ListenerOptions {
  std::string name;
  std::string address;     // HOST:PORT; port 0 picks one.
  int preferred_port = 0;  // Tried first where the port is 0: agents know it.
  int streams_max = 128;   // Concurrent calls of one connection.
  int threads_max = 1024;
  std::size_t memory_max = std::size_t{1} << 30;
  absl::Duration idle_max = absl::InfiniteDuration();  // Of a connection without calls.
};

class Listener {
 public:
  // `services` outlive the listener. kUnavailable: cannot listen there.
  static absl::StatusOr<std::unique_ptr<Listener>> Start(
      const ListenerOptions& options, std::shared_ptr<grpc::ServerCredentials> credentials,
      const std::vector<grpc::Service*>& services);
  ~Listener();

  // HOST:PORT in use.
  const std::string& address() const { return address_; }
  int port() const { return port_; }

  // Takes no new calls, waits up to `grace` for those that run, and cancels the
  // rest. Returns when all handlers have.
  void Shutdown(absl::Duration grace);

 private:
  Listener() = default;

  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  int port_ = 0;
};

}  // namespace mooring::server
