// ShippedServer: mooringd as it ships, a process of its own, which a test kills and
// starts again. Speaks to it over its ports alone.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "tests/integration/server/server_fixture.h"
#include "tests/support/subprocess.h"

namespace mooring::testing {

struct ShippedServerOptions {
  std::string state_dir;
  std::string database_url = {};  // Empty: a private PostgreSQL.
  // Empty: in the state directory.
  std::string repository = {};
  // No pruning, collection or care but when it is asked for.
  bool is_quiet = true;
  // YAML behind what init wrote.
  std::string configuration = {};
  // Words before mooringd's, as "prlimit --nofile=64".
  std::vector<std::string> wrapper = {};
};

class ShippedServer {
 public:
  explicit ShippedServer(ShippedServerOptions options);
  ~ShippedServer();

  // Before Init, where the options did not know it yet.
  void set_database_url(const std::string& url) { options_.database_url = url; }
  // Where its log goes and its readiness is said, if not beside the state directory.
  void set_side_dir(const std::string& path) { side_ = path + "/server"; }
  // `mooringd init`, once.
  absl::Status Init(const Environment& environment = {});
  // Until it says that it is ready. kUnavailable: it ended, with its last words;
  // kDeadlineExceeded: it does neither, and was killed.
  absl::Status Start(const Environment& environment = {},
                     absl::Duration patience = absl::Minutes(2));
  bool running();
  pid_t pid() const { return process_->pid(); }
  // SIGKILL; gone when this returns. Also of one that does not run.
  void Kill();
  // SIGTERM; its exit code.
  int Stop();

  // Over a connection of its own since the last Start.
  AdminStubs& admin() { return *admin_; }
  std::string ca() const;
  const std::string& state_dir() const { return options_.state_dir; }
  std::string repository() const {
    return options_.repository.empty() ? options_.state_dir + "/repository" : options_.repository;
  }
  // HOST:PORT of the port for agents, once it was started.
  std::string agents_address() const { return agents_address_; }
  // Of its database: the one given, or that of its private PostgreSQL.
  std::string database_url() const;
  void set_wrapper(std::vector<std::string> wrapper) { options_.wrapper = std::move(wrapper); }
  // The end of its log.
  std::string LastWords() const;

 private:
  std::string log() const { return side_ + ".log"; }

  ShippedServerOptions options_;
  std::string side_;
  std::string agents_address_;
  std::unique_ptr<Background> process_;
  std::unique_ptr<AdminStubs> admin_;
};

}  // namespace mooring::testing
