// The running agent's socket for the commands of the same workstation:
// STATE_DIR/agent.sock, for its own user and root alone.

#pragma once

#include <list>
#include <memory>
#include <string>
#include <thread>

#include <absl/functional/any_invocable.h>
#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include "agent/process/message_pipe.h"
#include "mooring/session/v1/desk.pb.h"
#include "storage/base/mutex.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

using DeskSend = absl::FunctionRef<absl::Status(const session::v1::DeskResponse&)>;
// Answers one request; called on a thread of its own.
using DeskHandler =
    absl::AnyInvocable<void(const OpContext&, const session::v1::DeskRequest&, DeskSend)>;

// Held by the one process that runs in a state directory.
class StateLock {
 public:
  // kAlreadyExists: another process runs there.
  static absl::StatusOr<StateLock> Take(const std::string& state_directory);

 private:
  explicit StateLock(OwnedFd fd) : fd_(std::move(fd)) {}
  OwnedFd fd_;
};

// Thread-safe after construction.
class DeskServer {
 public:
  static constexpr std::size_t kConnectionsMax = 16;

  // Takes over a socket that a dead agent left: call with the StateLock held.
  static absl::StatusOr<std::unique_ptr<DeskServer>> Start(const std::string& path,
                                                           DeskHandler handler);
  ~DeskServer();

 private:
  struct Connection {
    std::unique_ptr<MessagePipe> pipe;
    bool over = false;
    std::jthread thread;
  };

  DeskServer(std::string path, OwnedFd listener, DeskHandler handler);
  void Accept();
  void Reap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ServeOne(std::stop_token stop, Connection& connection);

  const std::string path_;
  const OwnedFd listener_;
  DeskHandler handler_;
  Mutex mutex_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::list<Connection> connections_ ABSL_GUARDED_BY(mutex_);
  std::jthread acceptor_;
};

// Sends one request to the running agent and hands out its answers until it
// closes. kUnavailable: no agent runs there.
absl::Status AskDesk(const std::string& path, const session::v1::DeskRequest& request,
                     absl::FunctionRef<void(const session::v1::DeskResponse&)> receive);

}  // namespace mooring::agent
