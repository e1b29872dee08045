#include "storage/catalog/postgres_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include "storage/base/status.h"

namespace mooring::storage {
namespace {

// The C library's own header for these (2.36) cannot be used from C++.
int OpenPidfd(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0U));
}

int SendPidfdSignal(int pidfd, int signal) {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0U));
}

std::string ErrorText(int error) {
  return std::generic_category().message(error);
}

constexpr std::size_t kUserEntryBytes = 16 << 10;
constexpr int kGroupsMax = 256;

// The user of that name, or where it is empty of that number.
absl::StatusOr<RunAs> LookUp(const std::string& name, uid_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(kUserEntryBytes);
  const int error = name.empty()
                        ? getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found)
                        : getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (error != 0 || found == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("user {} is not in the user database, which PostgreSQL needs: create it, or"
                    " name another",
                    name.empty() ? std::to_string(uid) : name));
  }
  RunAs run_as;
  run_as.name = entry.pw_name;
  run_as.uid = entry.pw_uid;
  run_as.gid = entry.pw_gid;
  int count = kGroupsMax;
  run_as.groups.resize(kGroupsMax);
  if (getgrouplist(entry.pw_name, entry.pw_gid, run_as.groups.data(), &count) < 0) {
    count = kGroupsMax;  // The first ones; PostgreSQL needs its own group alone.
  }
  run_as.groups.resize(static_cast<std::size_t>(count));
  return run_as;
}

// What the child does between fork and exec: calls that are safe there alone
// (no allocation, no locks), everything else having been prepared.
struct Preparation {
  char* const* argv = nullptr;
  char* const* environment = nullptr;
  const RunAs* run_as = nullptr;
  int output_fd = -1;
  int null_fd = -1;
  int error_fd = -1;
};

[[noreturn]] void ExecInChild(const Preparation& p) {
  const auto give_up = [&p] {
    const int error = errno;
    const ssize_t written = write(p.error_fd, &error, sizeof(error));
    _exit(written == sizeof(error) ? 127 : 126);
  };
  setsid();
  // Signals that our process blocks or ignores would stay so across exec.
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  (void)signal(SIGPIPE, SIG_DFL);
  if (p.run_as->drop) {
    if (setgroups(p.run_as->groups.size(), p.run_as->groups.data()) != 0) give_up();
    if (setresgid(p.run_as->gid, p.run_as->gid, p.run_as->gid) != 0) give_up();
    if (setresuid(p.run_as->uid, p.run_as->uid, p.run_as->uid) != 0) give_up();
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up();
  if (chdir("/") != 0) give_up();
  umask(077);
  if (dup2(p.null_fd, 0) < 0 || dup2(p.output_fd, 1) < 0 || dup2(p.output_fd, 2) < 0) give_up();
  // Sockets and keys of ours have no business there. error_fd closes at exec.
  if (syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) != 0) give_up();
  execve(p.argv[0], p.argv, p.environment);
  give_up();
  _exit(126);
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Close(); }
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

}  // namespace

absl::StatusOr<RunAs> FindRunAs(const std::string& name) {
  if (geteuid() != 0) return LookUp("", geteuid());
  MOORING_ASSIGN_OR_RETURN(RunAs run_as, LookUp(name, 0));
  if (run_as.uid == 0) {
    return absl::FailedPreconditionError(
        "PostgreSQL refuses to run as root: name another user for it");
  }
  run_as.drop = true;
  return run_as;
}

ProcessHandle::ProcessHandle(ProcessHandle&& other) noexcept {
  *this = std::move(other);
}

ProcessHandle& ProcessHandle::operator=(ProcessHandle&& other) noexcept {
  if (this == &other) return *this;
  if (pidfd_ >= 0) close(pidfd_);
  pid_ = std::exchange(other.pid_, 0);
  pidfd_ = std::exchange(other.pidfd_, -1);
  child_ = other.child_;
  ended_ = other.ended_;
  exit_code_ = other.exit_code_;
  how_it_ended_ = std::move(other.how_it_ended_);
  return *this;
}

ProcessHandle::~ProcessHandle() {
  if (pidfd_ >= 0) close(pidfd_);
}

absl::StatusOr<ProcessHandle> ProcessHandle::Adopt(pid_t pid) {
  const int pidfd = OpenPidfd(pid);
  if (pidfd < 0) return absl::NotFoundError(fmt::format("process {}: {}", pid, ErrorText(errno)));
  return ProcessHandle(pid, pidfd, false);
}

bool ProcessHandle::WaitForEnd(absl::Duration timeout, const std::stop_token& stop) {
  if (ended_ || pidfd_ < 0) return true;
  // Short waits, so that a stop is noticed without a second descriptor.
  constexpr absl::Duration kSlice = absl::Milliseconds(50);
  while (true) {
    const absl::Duration slice = std::min(timeout, kSlice);
    pollfd entry{pidfd_, POLLIN, 0};
    const int ready = poll(&entry, 1, static_cast<int>(absl::ToInt64Milliseconds(slice)));
    if (ready > 0) {
      Reap();
      return true;
    }
    timeout -= slice;
    if (timeout <= absl::ZeroDuration() || stop.stop_requested()) return false;
  }
}

void ProcessHandle::Reap() {
  ended_ = true;
  how_it_ended_ = "it ended";
  if (!child_) return;
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return;
  if (WIFEXITED(status)) {
    exit_code_ = WEXITSTATUS(status);
    how_it_ended_ = fmt::format("exit code {}", exit_code_);
  } else if (WIFSIGNALED(status)) {
    how_it_ended_ = fmt::format("signal {}", WTERMSIG(status));
  }
}

absl::Status ProcessHandle::Signal(int signal) {
  if (ended_ || pidfd_ < 0) return absl::OkStatus();
  if (SendPidfdSignal(pidfd_, signal) == 0 || errno == ESRCH) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      fmt::format("signal {} to process {}: {}", signal, pid_, ErrorText(errno)));
}

absl::StatusOr<ProcessHandle> SpawnProcess(const std::vector<std::string>& argv,
                                           const RunAs& run_as, int output_fd) {
  std::vector<std::string> arguments = argv;
  // The C locale keeps messages and sorting the same everywhere.
  std::vector<std::string> environment = {
      "PATH=/usr/bin:/bin",    "LC_ALL=C", "TZ=UTC", "HOME=/", "USER=" + run_as.name,
      "LOGNAME=" + run_as.name};
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const Fd null_fd(open("/dev/null", O_RDWR | O_CLOEXEC));
  int pipe_fds[2];
  if (null_fd.get() < 0 || pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(fmt::format("start {}: {}", argv[0], ErrorText(errno)));
  }
  const Fd error_in(pipe_fds[0]);
  Fd error_out(pipe_fds[1]);
  const Preparation preparation{argument_pointers.data(),
                                environment_pointers.data(),
                                &run_as,
                                output_fd,
                                null_fd.get(),
                                pipe_fds[1]};
  const pid_t pid = fork();
  if (pid < 0) {
    return absl::ResourceExhaustedError(fmt::format("start {}: {}", argv[0], ErrorText(errno)));
  }
  if (pid == 0) ExecInChild(preparation);
  error_out.Close();
  int error = 0;
  // Ends without bytes once exec has closed the other end.
  ssize_t got = 0;
  do {
    got = read(error_in.get(), &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  if (got == sizeof(error)) {
    waitpid(pid, nullptr, 0);
    return absl::FailedPreconditionError(
        fmt::format("start {} as {}: {}", argv[0], run_as.name, ErrorText(error)));
  }
  const int pidfd = OpenPidfd(pid);
  if (pidfd < 0) {
    const int open_error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return absl::FailedPreconditionError(
        fmt::format("start {}: pidfd_open: {}", argv[0], ErrorText(open_error)));
  }
  return ProcessHandle(pid, pidfd, true);
}

}  // namespace mooring::storage
