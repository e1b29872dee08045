#include "tests/crash/loop_disk.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <spawn.h>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

// EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are the same.
constexpr unsigned long kShutdown = _IOR('X', 125, std::uint32_t);

absl::Status RunTool(const std::vector<std::string>& words) {
  const RunResult result = RunProgram(words);
  if (result.exit_code == 0) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("{}: exit code {}: {}{}", words.front(),
                                            result.exit_code, result.out, result.err));
}

pid_t ParentOf(pid_t pid) {
  // "PID (NAME) STATE PPID": the name may hold anything but ends with the last ')'.
  const std::string text = ReadText(fmt::format("/proc/{}/stat", pid));
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos) return 0;
  std::istringstream rest(text.substr(end + 1));
  std::string state;
  pid_t parent = 0;
  rest >> state >> parent;
  return parent;
}

bool IsAlive(pid_t pid) {
  const std::string text = ReadText(fmt::format("/proc/{}/stat", pid));
  const std::size_t end = text.rfind(')');
  return end != std::string::npos && text.compare(end, 3, ") Z") != 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LoopDisk>> LoopDisk::Make(
    const std::string& kind, std::uint64_t bytes, const std::vector<std::string>& mkfs_words) {
  if (geteuid() != 0) return absl::UnimplementedError("mounting a file system takes root");
  auto disk = std::unique_ptr<LoopDisk>(new LoopDisk(kind));
  mkdir(disk->path().c_str(), 0711);
  if (kind == "tmpfs") {
    const absl::Status mounted = RunTool(
        {"mount", "-t", "tmpfs", "-o", fmt::format("size={}", bytes), "tmpfs", disk->path()});
    if (!mounted.ok()) return absl::UnimplementedError(mounted.message());
  } else {
    std::ofstream(disk->image()).close();
    if (truncate(disk->image().c_str(), static_cast<off_t>(bytes)) != 0) {
      return absl::UnavailableError("no room for an image");
    }
    std::vector<std::string> make = {"mkfs." + kind, "-q"};
    make.insert(make.end(), mkfs_words.begin(), mkfs_words.end());
    make.push_back(disk->image());
    const absl::Status made = RunTool(make);
    if (!made.ok()) return absl::UnimplementedError(made.message());
    const absl::Status mounted = disk->Mount();
    if (!mounted.ok()) return absl::UnimplementedError(mounted.message());
  }
  disk->StartReaper();
  // Passable for the user whom PostgreSQL runs as.
  if (chmod(disk->path().c_str(), 0711) != 0) return absl::InternalError("chmod failed");
  return disk;
}

LoopDisk::~LoopDisk() {
  Unmount().IgnoreError();
  if (reaper_ >= 0) close(reaper_);
}

absl::Status LoopDisk::Mount() {
  // The loop device goes with the mount.
  return RunTool({"mount", "-t", kind_, "-o", "loop", image(), path()});
}

absl::Status LoopDisk::Unmount() {
  absl::Status status;
  const absl::Time until = absl::Now() + absl::Seconds(10);
  do {
    status = RunTool({"umount", path()});
    if (status.ok()) return status;
    absl::SleepFor(absl::Milliseconds(50));  // A process that was killed is still on its way out.
  } while (absl::Now() < until);
  RunTool({"umount", "-l", path()}).IgnoreError();
  return status;
}

absl::Status LoopDisk::CutPower(Cut cut) {
  const int fd = open(path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "open " + path());
  auto flags = static_cast<std::uint32_t>(cut);
  const int result = ioctl(fd, kShutdown, &flags);
  const int error = errno;
  close(fd);
  return result == 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, "SHUTDOWN ioctl");
}

absl::Status LoopDisk::MountAgain() {
  MOORING_RETURN_IF_ERROR(Unmount());
  return Mount();
}

absl::Status LoopDisk::Remount(const std::string& option) {
  return RunTool({"mount", "-o", "remount," + option, path()});
}

// A shell that waits for the end of this process, and unmounts what it has left.
void LoopDisk::StartReaper() {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_fds[0], 0);
  // ctest waits for the end of the test's output: the reaper must not hold it.
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  // A PostgreSQL on it would go on.
  std::string script = fmt::format(
      "read line; mountpoint -q {0} || exit 0;"
      " pid=$(head -n 1 {0}/server/postgres/data/postmaster.pid) && kill -QUIT $pid && sleep 1;"
      " umount -l {0}; rm -rf {1}",
      path(), dir_.path());
  std::string shell = "sh";
  std::string flag = "-c";
  char* argv[] = {shell.data(), flag.data(), script.data(), nullptr};
  pid_t pid = 0;
  const int failed = posix_spawn(&pid, "/bin/sh", &actions, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_fds[0]);
  if (failed == 0) {
    reaper_ = pipe_fds[1];
  } else {
    close(pipe_fds[1]);
  }
}

pid_t PostmasterOf(const std::string& data_directory) {
  pid_t pid = 0;
  std::ifstream(data_directory + "/postmaster.pid") >> pid;
  return pid;
}

std::vector<pid_t> ProcessesOf(pid_t postmaster) {
  std::vector<pid_t> pids = {postmaster};
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid > 1 && ParentOf(pid) == postmaster) pids.push_back(pid);
  }
  return pids;
}

void KillPostgres(pid_t postmaster) {
  if (postmaster <= 1) return;
  const std::vector<pid_t> pids = ProcessesOf(postmaster);
  for (const pid_t pid : pids) kill(pid, SIGKILL);
  const absl::Time until = absl::Now() + absl::Seconds(10);
  for (const pid_t pid : pids) {
    while (IsAlive(pid) && absl::Now() < until) absl::SleepFor(absl::Milliseconds(5));
  }
}

}  // namespace mooring::testing
