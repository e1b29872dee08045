// CertificateKeeper: renews the agent's certificate once a third of its life is
// over, and lets the connection use the new one.

#pragma once

#include <string>
#include <thread>

#include "agent/daemon/daemon.h"
#include "agent/link/channel.h"
#include "agent/log/log.h"
#include "agent/state/agent_state.h"
#include "storage/base/clock.h"

namespace mooring::agent {

// One thread of its own. Everything it refers to outlives it.
class CertificateKeeper {
 public:
  CertificateKeeper(StateDirectory& state, AgentState& loaded, ServerChannel& channel, Clock& clock,
                    Log& log, Daemon& daemon, std::string hostname);

 private:
  void Run(std::stop_token stop);

  StateDirectory& state_;
  AgentState& loaded_;  // This thread alone writes its identity.
  ServerChannel& channel_;
  Clock& clock_;
  Log& log_;
  Daemon& daemon_;
  const std::string hostname_;
  std::jthread thread_;
};

}  // namespace mooring::agent
