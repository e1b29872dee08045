#include "agent/process/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

// glibc 2.36 forgot the linkage in this header.
extern "C" {
#include <sys/pidfd.h>
}

#include <fmt/format.h>
#include <spawn.h>

#include "agent/process/session_main.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// What a session may know of our environment: how to find phones, and how to
// load and debug itself.
constexpr const char* kEnvironment[] = {"PATH",
                                        "HOME",
                                        "TZ",
                                        "LANG",
                                        "LD_LIBRARY_PATH",
                                        "USBMUXD_SOCKET_ADDRESS",
                                        "ADB_SERVER_SOCKET",
                                        "ANDROID_ADB_SERVER_PORT",
                                        "ASAN_OPTIONS",
                                        "UBSAN_OPTIONS",
                                        "TSAN_OPTIONS",
                                        "LSAN_OPTIONS"};

std::vector<std::string> Environment() {
  std::vector<std::string> variables;
  for (const char* name : kEnvironment) {
    const char* const value = std::getenv(name);
    if (value != nullptr) variables.push_back(fmt::format("{}={}", name, value));
  }
  return variables;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

absl::Status Failed(std::string_view what, int error) {
  return absl::UnavailableError(
      ToAbsl(fmt::format("session process: {}: {}", what, std::generic_category().message(error))));
}

// A group of its own (a terminal's signals are for the agent), all signals at
// their defaults, standard input and output closed off, our other files closed.
int Spawn(const SessionCommand& command, int child_fd, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, child_fd, kSessionPipeFd);
  posix_spawn_file_actions_addclosefrom_np(&actions, kSessionPipeFd + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(
      &attributes,
      static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
  std::vector<std::string> arguments = command.arguments;
  std::vector<std::string> environment = Environment();
  const int error = posix_spawn(pid, command.program.c_str(), &actions, &attributes,
                                Pointers(arguments).data(), Pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const SessionCommand& command, OwnedFd& pipe_fd) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return Failed("socket pair", errno);
  }
  OwnedFd ours(pair[0]);
  const OwnedFd theirs(pair[1]);
  pid_t pid = 0;
  const int error = Spawn(command, theirs.get(), &pid);
  if (error != 0) return Failed("start", error);
  ChildProcess child(pid, OwnedFd(pidfd_open(pid, 0)));
  if (!child.handle_.valid()) return Failed("handle", errno);
  pipe_fd = std::move(ours);
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(other.pid_),
      handle_(std::move(other.handle_)),
      reaped_(std::exchange(other.reaped_, true)) {}

ChildProcess::~ChildProcess() {
  if (!reaped_) Wait(absl::ZeroDuration());
}

void ChildProcess::Kill() {
  if (handle_.valid()) pidfd_send_signal(handle_.get(), SIGKILL, nullptr, 0);
}

std::string ChildProcess::Wait(absl::Duration patience) {
  pollfd ended{handle_.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(patience)));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

}  // namespace mooring::agent
