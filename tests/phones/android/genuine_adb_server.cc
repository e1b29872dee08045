#include "tests/phones/android/genuine_adb_server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include <fmt/format.h>

#include "storage/base/clock.h"
#include "tests/phones/android/adb_server.h"
#include "tests/phones/common/free_port.h"

namespace mooring::testing::android {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(20);

}  // namespace

GenuineAdbServer::GenuineAdbServer(std::string home) : home_(std::move(home)), port_(FreePort()) {}

GenuineAdbServer::~GenuineAdbServer() {
  Stop();
}

std::map<std::string, std::string> GenuineAdbServer::environment() const {
  return {{"HOME", home_},
          {"ADB_LOCAL_TRANSPORT_MAX_PORT", "5553"},  // No search for emulators.
          {"ADB_SERVER_SOCKET", fmt::format("tcp:localhost:{}", port_)},
          {"ANDROID_ADB_SERVER_PORT", fmt::format("{}", port_)}};
}

absl::Status GenuineAdbServer::Start() {
  const std::map<std::string, std::string> variables = environment();
  const std::string listen = fmt::format("tcp:localhost:{}", port_);
  const std::string log = home_ + "/adb-server.log";
  const pid_t parent = getpid();
  process_ = fork();
  if (process_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
    unsetenv("ADB_VENDOR_KEYS");
    const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execlp("adb", "adb", "-L", listen.c_str(), "nodaemon", "server", nullptr);
    _exit(127);
  }
  SystemClock clock;
  const absl::Duration end = clock.Monotonic() + kStartTimeout;
  while (clock.Monotonic() < end) {
    if (AskAdbServer(port_, "host:version").ok()) return absl::OkStatus();
    if (waitpid(process_, nullptr, WNOHANG) == process_) {
      process_ = -1;
      break;
    }
    clock.Sleep(absl::Milliseconds(20), {});
  }
  return absl::UnavailableError("adb server does not come up; see " + log);
}

void GenuineAdbServer::Stop() {
  if (process_ <= 0) return;
  kill(process_, SIGKILL);
  waitpid(std::exchange(process_, -1), nullptr, 0);
}

ToolResult GenuineAdbServer::Adb(const std::vector<std::string>& words,
                                 absl::Duration timeout) const {
  std::vector<std::string> command = {"adb"};
  command.insert(command.end(), words.begin(), words.end());
  return RunTool(command, {.environment = environment(), .directory = home_, .timeout = timeout});
}

}  // namespace mooring::testing::android
