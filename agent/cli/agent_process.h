// A whole agent in this process: for `run`, and for commands that find no agent
// running and do the work themselves.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/cli/commands.h"
#include "agent/daemon/certificate_keeper.h"
#include "agent/daemon/daemon.h"
#include "agent/desk/desk_socket.h"

namespace mooring::agent {

class AgentProcess {
 public:
  // Takes the state directory's lock. `automatic`: back up phones that are due.
  static absl::StatusOr<std::unique_ptr<AgentProcess>> Start(Environment& environment,
                                                             const CommonOptions& common,
                                                             bool automatic, LogLevel level);

  Daemon& daemon() { return *daemon_; }
  // Begins to hear of phones. Apart, so that a caller may be ready first.
  absl::Status StartMonitors();
  // Opens the socket for commands.
  absl::Status OpenDesk();

 private:
  AgentProcess(Environment& environment, StateLock lock, const std::string& directory,
               AgentState loaded, LogLevel level);
  void LearnServers(const v1::ServerAddresses& servers);

  Environment& environment_;
  const StateLock lock_;
  StateDirectory directory_;
  AgentState loaded_;
  Log log_;
  ServerChannel channel_;
  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<CertificateKeeper> keeper_;
  std::vector<std::unique_ptr<DeviceMonitor>> monitors_;
  std::unique_ptr<DeskServer> desk_;
};

// As the system names this workstation and its operating system.
std::string Hostname();
std::string OperatingSystem();

}  // namespace mooring::agent
