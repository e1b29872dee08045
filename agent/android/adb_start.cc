#include "agent/android/adb_start.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include <absl/strings/str_split.h>
#include <fmt/format.h>
#include <spawn.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(20);

// The server lives on in the child's child, so the child gets none of our files.
int Spawn(const std::string& program, std::vector<std::string> arguments, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
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
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const int error =
      posix_spawn(pid, program.c_str(), &actions, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// The exit status once `pid` has ended; nullopt, and the process gone, when it
// was not waited for any longer.
std::optional<int> Await(const OpContext& ctx, Clock& clock, pid_t pid, absl::Duration patience) {
  const absl::Duration until = clock.Monotonic() + patience;
  int status = 0;
  while (true) {
    const pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) return status;
    if (ended < 0 && errno != EINTR) return std::nullopt;
    if (clock.Monotonic() >= until || !clock.Sleep(kLookEvery, ctx.stop)) break;
  }
  kill(pid, SIGKILL);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return std::nullopt;
}

}  // namespace

std::string FindAdbProgram() {
  const char* const path = std::getenv("PATH");
  const std::string_view directories = path == nullptr ? "/usr/bin:/bin" : path;
  for (const absl::string_view directory : absl::StrSplit(ToAbsl(directories), ':')) {
    if (directory.empty()) continue;
    std::string program = fmt::format("{}/adb", std::string(directory));
    if (access(program.c_str(), X_OK) == 0) return program;
  }
  return "";
}

absl::Status StartAdbServer(const OpContext& ctx, Clock& clock, const AdbAddress& address,
                            absl::Duration patience) {
  const std::string program = FindAdbProgram();
  if (program.empty()) {
    return absl::NotFoundError("adb is not installed: apt-get install adb");
  }
  pid_t pid = 0;
  const int error = Spawn(program, {"adb", "-L", address.ToSocketSpec(), "start-server"}, &pid);
  if (error != 0) {
    return absl::UnavailableError(
        ToAbsl(fmt::format("start {}: {}", program, std::generic_category().message(error))));
  }
  const std::optional<int> status = Await(ctx, clock, pid, patience);
  if (!status) return absl::UnavailableError("adb start-server did not come to its end");
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) {
    return absl::UnavailableError("adb start-server failed");
  }
  return absl::OkStatus();
}

}  // namespace mooring::agent
