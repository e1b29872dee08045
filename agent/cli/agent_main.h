// The command line of mooring-agent, apart from the platforms it serves, so that
// tests can run the same program with phones of their own making.

#pragma once

#include "agent/cli/commands.h"
#include "agent/device/engine_factory.h"

namespace mooring::agent {

struct Platforms {
  EngineFactory& engines;
  StartMonitors start_monitors;
  PlatformChecks checks = nullptr;
};

// The whole program: a session if it was started as one, else the command that
// `argv` names. Returns the exit code.
int AgentMain(int argc, char** argv, const Platforms& platforms, Clock& clock, Random& random);

}  // namespace mooring::agent
