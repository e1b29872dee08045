#include "tests/phones/common/tool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "storage/base/clock.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kOutputMax = 1 << 20;

[[noreturn]] void Become(const std::vector<std::string>& command, const ToolOptions& options,
                         int output) {
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) _exit(127);
  signal(SIGPIPE, SIG_DFL);
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  _exit(127);
}

// Drops what a terminal would have overwritten: progress bars.
std::string WithoutProgress(std::string_view text) {
  std::string kept;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    kept += line.substr(line.rfind('\r') + 1);
    kept += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return kept;
}

}  // namespace

ToolResult RunTool(const std::vector<std::string>& command, const ToolOptions& options) {
  ToolResult result;
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return result;
  const pid_t child = fork();
  if (child == 0) Become(command, options, pipe_ends[1]);
  close(pipe_ends[1]);
  SystemClock clock;
  const absl::Duration end = clock.Monotonic() + options.timeout;
  while (child > 0) {
    const absl::Duration left = end - clock.Monotonic();
    pollfd poller{pipe_ends[0], POLLIN, 0};
    if (left <= absl::ZeroDuration() ||
        poll(&poller, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) == 0) {
      result.timed_out = true;
      kill(child, SIGKILL);
      break;
    }
    char buffer[16 << 10];
    const ssize_t got = read(pipe_ends[0], buffer, sizeof(buffer));
    if (got <= 0) break;
    result.output.append(buffer, static_cast<std::size_t>(got));
    if (result.output.size() > 2 * kOutputMax) {
      result.output.erase(0, result.output.size() - kOutputMax);
    }
  }
  close(pipe_ends[0]);
  int status = 0;
  if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status)) {
    result.exit_code = WEXITSTATUS(status);
  }
  result.output = WithoutProgress(result.output);
  return result;
}

}  // namespace mooring::testing
