// Deployment: a server, its agents and some simulated phones as the shipped
// binaries, started as their users start them, in one temporary directory.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <absl/time/clock.h>
#include <nlohmann/json.hpp>

#include "tests/support/subprocess.h"

namespace mooring::testing {

using Json = nlohmann::json;

class Deployment {
 public:
  // Creates and starts a server; EXPECTs that all of it works. `limits` is
  // appended to the server's configuration as YAML.
  explicit Deployment(const std::string& limits = "");
  ~Deployment();
  Deployment(const Deployment&) = delete;
  Deployment& operator=(const Deployment&) = delete;

  const std::string& path() const { return dir_.path(); }
  std::string server_dir() const { return path() + "/server"; }
  std::string agent_dir(const std::string& name) const { return path() + "/agents/" + name; }

  void StartServer();
  // SIGTERM; true if it drained and ended with 0.
  bool StopServer();
  Background& server() { return *server_; }

  // The CLI, logged in as the first administrator.
  RunResult Mooring(std::vector<std::string> words, absl::Duration timeout = absl::Minutes(2));
  // The same with `-o json`, parsed; null and a failed EXPECT if it fails.
  Json MooringJson(std::vector<std::string> words);

  // Enrolls a workstation (hex id), and starts its daemon on the phones of `farm`.
  std::string Enroll(const std::string& agent);
  void StartAgent(const std::string& agent, const std::string& farm);
  Background& agent(const std::string& agent);
  void StopAgent(const std::string& agent);
  // One-shot command of that workstation's agent.
  RunResult Agent(const std::string& agent, std::vector<std::string> words);
  RunResult Backup(const std::string& agent, const std::string& serial);

  // A usbmuxd with simulated phones. `words` are options of simulated-iphone.
  void StartFarm(const std::string& farm, const std::vector<std::string>& words);
  RunResult Farm(const std::string& farm, std::vector<std::string> words);
  Json FarmJson(const std::string& farm, std::vector<std::string> words);
  Environment FarmEnvironment(const std::string& farm) const;
  // The adb server that agents on this farm use, as ADB_SERVER_SOCKET has it.
  void SetAdbServer(const std::string& farm, const std::string& socket);
  // UDIDs in the order of attachment.
  std::vector<std::string> Phones(const std::string& farm);
  // Attaches another phone (`words` as for the command "add") and waits until the
  // server has seen it.
  std::string AddPhone(const std::string& farm, const std::vector<std::string>& words);
  // What the phones held against their host, one a line.
  std::string Violations(const std::string& farm);

  // Waits until the server has seen the phone.
  void AwaitDevice(const std::string& serial);
  // Person `handle`, made if need be, gets the phone.
  void Assign(const std::string& serial, const std::string& handle);
  // Restores `from`'s latest (or `snapshot`) to `to`, approving the request; the CLI's result.
  RunResult Restore(const std::string& from, const std::string& to,
                    const std::string& snapshot = "latest",
                    absl::Duration timeout = absl::Minutes(2));

  // The newest snapshot's JSON of the device.
  Json LatestSnapshot(const std::string& serial);
  // "sha256 domain/path" lines of the phone's files, sorted.
  std::string Content(const std::string& farm, const std::string& serial);

  static std::string Binary(const std::string& name);

 private:
  TempDir dir_;
  int next_seed_ = 1003;
  std::unique_ptr<Background> server_;
  std::map<std::string, std::unique_ptr<Background>> agents_;
  std::map<std::string, std::string> agent_farms_;
  std::map<std::string, std::unique_ptr<Background>> farms_;
  std::map<std::string, std::string> adb_servers_;
};

// Polls `ready` until it is true or `timeout` has passed.
template <typename Predicate>
bool Eventually(Predicate ready, absl::Duration timeout = absl::Seconds(60)) {
  const absl::Time until = absl::Now() + timeout;
  while (!ready()) {
    if (absl::Now() > until) return false;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return true;
}

}  // namespace mooring::testing
