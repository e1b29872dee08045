// ChildProcess: this program started again, with one socket and nothing else of
// ours.

#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "agent/process/message_pipe.h"

namespace mooring::agent {

// What to run as a session: a program that calls RunSessionProcess.
struct SessionCommand {
  std::string program = "/proc/self/exe";
  std::vector<std::string> arguments = {"mooring-agent", "session"};
};

// Killed and reaped when it goes, if it is still there. Thread-bound but for
// Kill. Make it on a thread that outlives it, because the child dies with the
// thread that started it.
class ChildProcess {
 public:
  // The child finds its end of a socket pair at kSessionPipeFd; ours is `pipe_fd`.
  static absl::StatusOr<ChildProcess> Start(const SessionCommand& command, OwnedFd& pipe_fd);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) = delete;
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  // SIGKILL; nothing if it has ended. Any thread.
  void Kill();
  // How it ended, in words: "exit code 1", "signal 9". Kills it after `patience`.
  std::string Wait(absl::Duration patience);

 private:
  ChildProcess(pid_t pid, OwnedFd handle) : pid_(pid), handle_(std::move(handle)) {}

  pid_t pid_;
  OwnedFd handle_;  // pidfd: never another process.
  bool reaped_ = false;
};

}  // namespace mooring::agent
