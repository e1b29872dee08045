// Jobs of a simulated server, and the people who delete and prune. Each runs
// until its server's life, or the simulation, ends.

#pragma once

#include "tests/sim/ground.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/travel.h"

namespace mooring::testing {

void RunExpiry(Ground& ground, ServerLife& life);
void RunPruner(Ground& ground, ServerLife& life);
// Syncs the replica and scrubs, again and again.
void RunCare(Ground& ground, ServerLife& life);
// Once, and everything.
absl::Status Care(Ground& ground, ServerLife& life);
// Now and then a byte of a pack goes wrong for good, where the replica has a good copy.
void RunRot(Ground& ground);
void RunCollector(Ground& ground, ServerLife& life);

// One round, whose outcome is judged: nothing that it finds may be wrong.
absl::Status Collect(Ground& ground, ServerLife& life);

// An administrator who deletes a snapshot now and then.
void RunDeleter(Ground& ground, Network& network);

// Every server crashes, and what was not durable is lost.
void CutPower(Ground& ground, Network& network);
// Crashes, power cuts, clocks that jump, a catalog that travels.
void RunMisfortune(Ground& ground, Network& network, Travel& travel);

}  // namespace mooring::testing
