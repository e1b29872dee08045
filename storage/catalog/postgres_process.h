// Processes of the private PostgreSQL: started with root dropped, or adopted;
// held by a pidfd, so that a number that is used again is never signalled.

#pragma once

#include <sys/types.h>

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

namespace mooring::storage {

// Whom a child runs as.
struct RunAs {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  bool drop = false;  // This process is root and the child must not be.
};

// This process's own user; or, where that is root, `name`.
// kFailedPrecondition: no such user, or it is root too.
absl::StatusOr<RunAs> FindRunAs(const std::string& name);

// Owns a pidfd. Move-only. Closing it does not end the process.
class ProcessHandle {
 public:
  ProcessHandle() = default;
  ProcessHandle(pid_t pid, int pidfd, bool child) : pid_(pid), pidfd_(pidfd), child_(child) {}
  ProcessHandle(ProcessHandle&& other) noexcept;
  ProcessHandle& operator=(ProcessHandle&& other) noexcept;
  ~ProcessHandle();

  // Of a process that someone else started. kNotFound: there is none.
  static absl::StatusOr<ProcessHandle> Adopt(pid_t pid);

  pid_t pid() const { return pid_; }
  bool valid() const { return pidfd_ >= 0; }

  // True once it has ended; waits for at most `timeout`, or until `stop`.
  bool WaitForEnd(absl::Duration timeout, const std::stop_token& stop = {});
  // "exit code 1", "signal 9"; for an adopted one only that it ended.
  const std::string& how_it_ended() const { return how_it_ended_; }
  int exit_code() const { return exit_code_; }  // -1 unless a child that exited.
  // OK if it has ended.
  absl::Status Signal(int signal);

 private:
  void Reap();

  pid_t pid_ = 0;
  int pidfd_ = -1;
  bool child_ = false;
  bool ended_ = false;
  int exit_code_ = -1;
  std::string how_it_ended_;
};

// Runs `argv` (argv[0] is a path) as `run_as`, in a session of its own, in /,
// with a clean environment, without new privileges, with stdout and stderr
// appended to `output_fd` and no other file open.
absl::StatusOr<ProcessHandle> SpawnProcess(const std::vector<std::string>& argv,
                                           const RunAs& run_as, int output_fd);

}  // namespace mooring::storage
