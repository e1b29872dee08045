// ControlStream: the agent's long connection to its server. Opens it again
// whenever it breaks, greets, and keeps the two sides' picture the same.

#pragma once

#include <deque>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/support/sync_stream.h>

#include "agent/link/backoff.h"
#include "agent/link/channel.h"
#include "mooring/v1/agent.grpc.pb.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/random.h"

namespace mooring::agent {

// Thread-safe.
class ControlStream {
 public:
  // Called from the stream's threads.
  class Listener {
   public:
    virtual ~Listener() = default;
    // After the hello: everything that the server must know again.
    virtual std::vector<v1::ControlRequest> Greeting() = 0;
    virtual void OnOrder(const v1::ControlResponse& order) = 0;
    virtual void OnConnected(const v1::ServerHello& hello) = 0;
    // Once per lost or failed connection.
    virtual void OnLost(const absl::Status& why) = 0;
  };
  // At most this much waits while the server is away; the greeting makes up for
  // what is dropped.
  static constexpr std::size_t kWaitingMax = 1024;

  // Everything outlives it. Does nothing before Start.
  ControlStream(ServerChannel& channel, Clock& clock, Random& random, v1::AgentHello hello,
                Listener& listener);
  ~ControlStream();
  ControlStream(const ControlStream&) = delete;
  ControlStream& operator=(const ControlStream&) = delete;

  void Start();

  // Progress of the same phone replaces what still waits.
  void Send(v1::ControlRequest event);

 private:
  using Stream = grpc::ClientReaderWriter<v1::ControlRequest, v1::ControlResponse>;

  void Run(std::stop_token stop);
  absl::Status RunOnce(const OpContext& ctx, Backoff& backoff);
  void Read(Stream& stream, Backoff& backoff);
  // The next event, or a heartbeat when there is none for a while; false: broken.
  bool Next(const OpContext& ctx, v1::ControlRequest& event);

  ServerChannel& channel_;
  Clock& clock_;
  Random& random_;
  const v1::AgentHello hello_;
  Listener& listener_;

  Mutex mutex_;
  CondVar changed_;
  std::deque<v1::ControlRequest> waiting_ ABSL_GUARDED_BY(mutex_);
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool greeted_ ABSL_GUARDED_BY(mutex_) = false;  // By the server, on this stream.

  std::jthread thread_;  // Last: joined before the rest goes.
};

}  // namespace mooring::agent
