#include "tests/bench/process_cost.h"

#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <fmt/format.h>

namespace mooring::testing {
namespace {

struct ProcessTimes {
  pid_t parent = 0;
  double own = 0;
  double reaped = 0;  // Of children that have ended.
};

std::map<pid_t, ProcessTimes> AllProcesses() {
  std::map<pid_t, ProcessTimes> processes;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string line;
    std::getline(file, line);
    const std::size_t paren = line.rfind(')');
    if (paren == std::string::npos) continue;
    std::istringstream fields(line.substr(paren + 2));
    std::string skip;
    ProcessTimes times;
    double user = 0;
    double system = 0;
    double child_user = 0;
    double child_system = 0;
    fields >> skip >> times.parent;
    for (int i = 0; i < 9; ++i) fields >> skip;
    fields >> user >> system >> child_user >> child_system;
    times.own = (user + system) / ticks;
    times.reaped = (child_user + child_system) / ticks;
    processes[std::stoi(name)] = times;
  }
  return processes;
}

}  // namespace

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ProcessCpuSeconds(pid_t pid) {
  return AllProcesses()[pid].own;
}

double TreeCpuSeconds(pid_t root) {
  const std::map<pid_t, ProcessTimes> processes = AllProcesses();
  double sum = 0;
  for (const auto& [pid, times] : processes) {
    for (pid_t at = pid; at > 1;) {
      if (at == root) {
        sum += times.own + times.reaped;
        break;
      }
      const auto it = processes.find(at);
      at = it == processes.end() ? 0 : it->second.parent;
    }
  }
  return sum;
}

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> pids;
  for (const auto& [pid, times] : AllProcesses()) {
    if (times.parent == parent) pids.push_back(pid);
  }
  return pids;
}

double PeakMiB(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  }
  return 0;
}

}  // namespace mooring::testing
