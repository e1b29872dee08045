// Simulation: one seed from its beginning to its verdict.

#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/checker.h"
#include "tests/sim/ground.h"
#include "tests/sim/hostile_agent.h"
#include "tests/sim/sim_agent.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/travel.h"

namespace mooring::testing {

struct SimOptions {
  std::uint64_t seed = 1;
  std::string profile = "swarm";
  std::optional<std::uint64_t> steps;  // Of the main phase; else the profile's.
  PlantedBug bug = PlantedBug::kNone;
  std::FILE* trace = nullptr;
};

struct SimResult {
  // The first broken promise; none: every promise was kept.
  std::optional<std::string> failure;
  std::uint64_t trace_hash = 0;
  std::uint64_t steps = 0;
  std::uint64_t snapshots = 0;  // Acknowledged.
  std::uint64_t deleted = 0;
  absl::Duration lasted = absl::ZeroDuration();  // Simulated.
};

class Simulation {
 public:
  // kInvalidArgument: no such profile.
  static absl::StatusOr<SimResult> Run(const SimOptions& options, StackPool& stacks);

 private:
  Simulation(const SimOptions& options, const Profile& profile, StackPool& stacks)
      : ground_(profile, options.bug, options.seed, stacks, options.trace),
        network_(ground_),
        checker_(ground_),
        travel_(ground_) {}

  absl::Status SetUp();
  absl::Status AddPeople();
  absl::Status AddAgents();
  absl::Status AddPhone(const AgentId& agent, int owner);
  absl::Status AddPolicy();
  void SpawnAll();
  // Runs until `done`, or a promise is broken, or `steps` more have gone by.
  template <typename Done>
  void RunUntil(std::uint64_t steps_max, Done done);
  void Check();
  void WindDown();
  void JudgeQuietSystem(ServerLife& life);
  void Stop();

  Ground ground_;
  Network network_;
  Checker checker_;
  Travel travel_;
  std::vector<PersonId> people_;
  std::vector<AgentId> agent_ids_;
  std::vector<std::unique_ptr<SimPhone>> phones_;
  std::vector<std::unique_ptr<SimAgent>> agents_;
  std::vector<std::unique_ptr<HostileAgent>> hostile_;
};

}  // namespace mooring::testing
