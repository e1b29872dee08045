#include "tests/bench/compare/measured.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <absl/time/clock.h>
#include <fmt/format.h>

#include "tests/support/subprocess.h"

namespace mooring::testing {
namespace {

double SecondsOf(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

[[noreturn]] void Become(const std::vector<std::string>& argv,
                         const std::map<std::string, std::string>& environment,
                         const std::string& log) {
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  const int fd = open(log.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  dup2(fd, STDOUT_FILENO);
  dup2(fd, STDERR_FILENO);
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  _exit(127);
}

}  // namespace

StepCost RunMeasured(const std::vector<std::string>& argv,
                     const std::map<std::string, std::string>& environment) {
  const TempDir dir;
  const std::string log = dir.path() + "/log";
  const absl::Time begun = absl::Now();
  const pid_t child = fork();
  if (child == 0) Become(argv, environment, log);
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) ||
      WEXITSTATUS(status) != 0) {
    fmt::print(stderr, "{} {} failed:\n{}\n", argv[0], argv.size() > 1 ? argv[1] : "",
               ReadText(log));
    std::exit(1);
  }
  StepCost cost;
  cost.ran = true;
  cost.wall_seconds = absl::ToDoubleSeconds(absl::Now() - begun);
  cost.cpu_seconds = SecondsOf(usage.ru_utime) + SecondsOf(usage.ru_stime);
  cost.peak_mib = static_cast<double>(usage.ru_maxrss) / 1024;
  return cost;
}

std::uint64_t BytesBelow(const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const auto& item : std::filesystem::recursive_directory_iterator(directory)) {
    if (item.is_regular_file()) bytes += item.file_size();
  }
  return bytes;
}

}  // namespace mooring::testing
