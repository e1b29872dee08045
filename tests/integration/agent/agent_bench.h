// A server, an administrator and any number of agents with synthetic phones, as
// the shipped programs: what the tests in this folder stand on.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/subprocess.h"

namespace mooring::testing {

using Json = nlohmann::json;

class TestServer {
 public:
  // `limits`: lines of YAML for the configuration's limits, for example "sessions_max: 2".
  explicit TestServer(const std::vector<std::string>& limits = {});
  ~TestServer();

  // One command of `mooring`, as the administrator.
  RunResult Admin(const std::vector<std::string>& words);
  // The same with -o json; a test failure if it fails.
  Json AdminJson(std::vector<std::string> words);
  std::string Invite();
  // A person with this handle, and the phone bound to them.
  void Assign(const std::string& serial, const std::string& handle);

  void Start();
  // SIGTERM, or SIGKILL.
  void Stop(int signal);
  pid_t pid() const { return server_->pid(); }
  std::string state() const { return dir_.path() + "/server"; }
  std::string path() const { return dir_.path(); }

 private:
  TempDir dir_;
  std::unique_ptr<Background> server_;
};

// One workstation: a state directory, and a directory with the file "phones".
class TestAgent {
 public:
  TestAgent(TestServer& server, const std::string& name);
  ~TestAgent();

  // Enrolls with `token`, or with a new invitation.
  RunResult Enroll(const std::string& token = "", const std::vector<std::string>& more = {});
  // One command of mooring-agent.
  RunResult Run(const std::vector<std::string>& words, absl::Duration timeout = absl::Seconds(120));
  // The daemon.
  void StartDaemon();
  void StopDaemon(int signal);

  void Attach(const std::vector<std::string>& serials);
  void SetGeneration(const std::string& serial, int generation);
  const std::string& directory() const { return directory_; }
  std::string state() const { return directory_ + "/state"; }
  // Hexadecimal; after Enroll.
  const std::string& id() const { return id_; }
  std::string log() const;
  pid_t daemon_pid() const { return daemon_->pid(); }

 private:
  std::vector<std::string> Command(const std::vector<std::string>& words) const;

  TestServer& server_;
  const std::string directory_;
  std::string id_;
  std::unique_ptr<Background> daemon_;
};

// Asks `ready` several times a second, for at most `patience`.
bool Eventually(const std::function<bool()>& ready, absl::Duration patience = absl::Seconds(60));

}  // namespace mooring::testing
