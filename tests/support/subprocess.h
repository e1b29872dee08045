// Subprocess: other programs as a test runs them. Nothing is passed through a
// shell; output is bounded; a child never outlives its owner.

#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include <absl/time/time.h>

namespace mooring::testing {

struct RunResult {
  int exit_code = -1;  // 128 + signal if one ended it; -1 if it could not be started or timed out.
  std::string out;     // At most 64 MiB.
  std::string err;
};

using Environment = std::map<std::string, std::string>;

// Runs `argv` with `environment` on top of this process's own, and waits. A
// program that takes longer than `timeout` is killed.
RunResult RunProgram(const std::vector<std::string>& argv, const Environment& environment = {},
                     const std::string& input = "", absl::Duration timeout = absl::Seconds(120));

// A program that runs beside the test, its output in files. Thread-compatible.
class Background {
 public:
  // Output goes to `out_path` and `err_path`, appended.
  Background(const std::vector<std::string>& argv, const Environment& environment,
             const std::string& out_path, const std::string& err_path);
  ~Background();  // SIGKILL, if it still runs.
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void Signal(int signal);
  // Waits up to `timeout`; the exit code as in RunResult, or -1 if it still runs.
  int Wait(absl::Duration timeout);

 private:
  pid_t pid_ = -1;
  int exit_code_ = -1;
  bool ended_ = false;
};

// The whole file as text; empty if there is none.
std::string ReadText(const std::string& path);

// A new directory under /var/tmp that another user may pass through (for the
// private PostgreSQL), removed with everything in it at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // Leaves it behind: for a failed test.
  void Keep() { keep_ = true; }

 private:
  std::string path_;
  bool keep_ = false;
};

}  // namespace mooring::testing
