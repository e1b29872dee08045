#include "tests/support/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <absl/time/clock.h>

namespace mooring::testing {
namespace {

constexpr std::size_t kOutputBytesMax = 64U << 20;

int ExitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// What execve wants; built before fork, because the child may not allocate.
struct Prepared {
  std::vector<std::string> words;
  std::vector<std::string> settings;
  std::vector<char*> argv;
  std::vector<char*> envp;
};

Prepared Prepare(const std::vector<std::string>& argv, const Environment& environment) {
  Prepared prepared;
  prepared.words = argv;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string setting = *entry;
    if (environment.count(setting.substr(0, setting.find('='))) == 0) {
      prepared.settings.push_back(setting);
    }
  }
  for (const auto& [name, value] : environment) prepared.settings.push_back(name + "=" + value);
  for (std::string& word : prepared.words) prepared.argv.push_back(word.data());
  for (std::string& setting : prepared.settings) prepared.envp.push_back(setting.data());
  prepared.argv.push_back(nullptr);
  prepared.envp.push_back(nullptr);
  return prepared;
}

[[noreturn]] void Exec(const Prepared& prepared, int in, int out, int err) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  execvpe(prepared.argv[0], prepared.argv.data(), prepared.envp.data());
  _exit(127);
}

// Moves what is ready on `fd` into `text`; false at the end.
bool Drain(int fd, std::string& text) {
  std::array<char, 65536> buffer{};
  const ssize_t n = read(fd, buffer.data(), buffer.size());
  if (n > 0 && text.size() < kOutputBytesMax)
    text.append(buffer.data(), static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

}  // namespace

RunResult RunProgram(const std::vector<std::string>& argv, const Environment& environment,
                     const std::string& input, absl::Duration timeout) {
  RunResult result;
  int in[2];
  int out[2];
  int err[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    return result;
  }
  const Prepared prepared = Prepare(argv, environment);
  const pid_t pid = fork();
  if (pid == 0) Exec(prepared, in[0], out[1], err[1]);
  close(in[0]);
  close(out[1]);
  close(err[1]);
  // Inputs of tests fit a pipe's buffer.
  if (!input.empty() && write(in[1], input.data(), input.size()) < 0) result.err = "no input\n";
  close(in[1]);
  const absl::Time until = absl::Now() + timeout;
  std::array<pollfd, 2> fds = {pollfd{out[0], POLLIN, 0}, pollfd{err[0], POLLIN, 0}};
  bool timed_out = false;
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    const int left = static_cast<int>(absl::ToInt64Milliseconds(until - absl::Now()));
    if (left <= 0) {
      timed_out = true;
      kill(pid, SIGKILL);
      break;
    }
    if (poll(fds.data(), fds.size(), left) < 0 && errno != EINTR) break;
    if (fds[0].revents != 0 && !Drain(out[0], result.out)) fds[0].fd = -1;
    if (fds[1].revents != 0 && !Drain(err[0], result.err)) fds[1].fd = -1;
  }
  close(out[0]);
  close(err[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  result.exit_code = timed_out ? -1 : ExitCode(status);
  if (timed_out) result.err += "\n(killed: it took too long)\n";
  return result;
}

Background::Background(const std::vector<std::string>& argv, const Environment& environment,
                       const std::string& out_path, const std::string& err_path) {
  const int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int out = open(out_path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  const int err = open(err_path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  const Prepared prepared = Prepare(argv, environment);
  pid_ = fork();
  if (pid_ == 0) Exec(prepared, in, out, err);
  close(in);
  close(out);
  close(err);
}

Background::~Background() {
  if (!running()) return;
  kill(pid_, SIGKILL);
  Wait(absl::InfiniteDuration());
}

bool Background::running() {
  return Wait(absl::ZeroDuration()) == -1 && !ended_;
}

void Background::Signal(int signal) {
  if (running()) kill(pid_, signal);
}

int Background::Wait(absl::Duration timeout) {
  const absl::Time until = absl::Now() + timeout;
  while (!ended_) {
    int status = 0;
    const pid_t pid = waitpid(pid_, &status, WNOHANG);
    if (pid == pid_) {
      ended_ = true;
      exit_code_ = ExitCode(status);
    } else if (pid < 0 && errno != EINTR) {
      ended_ = true;
    } else if (absl::Now() >= until) {
      return -1;
    } else {
      absl::SleepFor(absl::Milliseconds(5));
    }
  }
  return exit_code_;
}

std::string ReadText(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

TempDir::TempDir() {
  std::string name = "/var/tmp/mooring-test.XXXXXX";
  if (mkdtemp(name.data()) == nullptr) abort();
  chmod(name.c_str(), 0711);
  path_ = name;
}

TempDir::~TempDir() {
  if (keep_) return;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

}  // namespace mooring::testing
