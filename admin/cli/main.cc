// mooring: the administrator's command line. The real environment, and nothing else.

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>

#include "admin/cli/command.h"
#include "admin/cli/connection.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/random.h"

namespace mooring::admin {
namespace {

int TerminalColumns() {
  winsize size = {};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

std::optional<std::string> Variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

// Ends the watch itself.
constexpr int kEnd = SIGUSR1;

sigset_t WatchedSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, kEnd);
  return signals;
}

// Waits for Ctrl-C on a thread of its own and asks the command to stop; the
// second one ends the process there and then.
class InterruptWatch {
 public:
  // Before any other thread is made, so that all of them leave the signals to this one.
  InterruptWatch() {
    const sigset_t signals = WatchedSignals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    thread_ = std::jthread(Wait, interrupted_);
  }
  ~InterruptWatch() {
    ::pthread_kill(thread_.native_handle(), kEnd);
    thread_.join();
  }
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  std::stop_token token() const { return interrupted_.get_token(); }

 private:
  static void Wait(const std::stop_source& interrupted) {
    const sigset_t signals = WatchedSignals();
    int signal = 0;
    while (::sigwait(&signals, &signal) == 0 && signal != kEnd) {
      if (interrupted.stop_requested()) ::_exit(128 + signal);
      interrupted.request_stop();
    }
  }

  std::stop_source interrupted_;
  std::jthread thread_;
};

int Main(const std::vector<std::string>& args) {
  const InterruptWatch interrupt;
  SystemClock clock;
  SystemRandom random;
  Environment env{std::cin,
                  std::cout,
                  std::cerr,
                  ::isatty(STDIN_FILENO) == 1,
                  ::isatty(STDOUT_FILENO) == 1,
                  ::isatty(STDERR_FILENO) == 1,
                  TerminalColumns(),
                  Variable,
                  clock,
                  random,
                  RealFileSystem(),
                  interrupt.token(),
                  MakeTlsChannel};
  return static_cast<int>(RunCommandLine(args, env));
}

}  // namespace
}  // namespace mooring::admin

int main(int argc, char** argv) {
  return mooring::admin::Main(std::vector<std::string>(argv + 1, argv + argc));
}
