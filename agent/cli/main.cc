// mooring-agent. The one place that chooses real clocks, engines and monitors.

#include "agent/cli/agent_main.h"
#include "agent/cli/platforms.h"

int main(int argc, char** argv) {
  mooring::SystemClock clock;
  mooring::SystemRandom random;
  mooring::agent::PlatformEngines engines(clock, random);
  return mooring::agent::AgentMain(argc, argv,
                                   {engines,
                                    [&engines](mooring::agent::DeviceMonitor::Listener& listener) {
                                      return engines.StartMonitors(listener);
                                    },
                                    [&engines] { return engines.RunChecks(); }},
                                   clock, random);
}
