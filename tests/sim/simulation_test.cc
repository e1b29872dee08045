// The simulation itself: it repeats itself, it finds nothing where nothing is
// wrong, and it finds every bug that is planted.

#include "tests/sim/simulation.h"

#include <gtest/gtest.h>

namespace mooring::testing {
namespace {

SimResult MustRun(const SimOptions& options) {
  StackPool stacks;
  const absl::StatusOr<SimResult> result = Simulation::Run(options, stacks);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : SimResult();
}

TEST(SimulationTest, TheSameSeedDoesTheSame) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SimOptions options;
    options.seed = seed;
    const SimResult first = MustRun(options);
    const SimResult second = MustRun(options);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.steps, second.steps) << "seed " << seed;
    EXPECT_EQ(first.failure, second.failure) << "seed " << seed;
  }
}

TEST(SimulationTest, AnotherSeedDoesSomethingElse) {
  SimOptions options;
  const SimResult first = MustRun(options);
  options.seed = 2;
  EXPECT_NE(MustRun(options).trace_hash, first.trace_hash);
}

TEST(SimulationTest, EveryProfileMakesSnapshots) {
  for (const char* const profile :
       {"swarm", "calm", "faults", "crash", "network", "collect", "hostile"}) {
    std::uint64_t snapshots = 0;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      SimOptions options;
      options.seed = seed;
      options.profile = profile;
      const SimResult result = MustRun(options);
      EXPECT_FALSE(result.failure.has_value()) << profile << " " << seed << ": " << *result.failure;
      snapshots += result.snapshots;
    }
    EXPECT_GT(snapshots, 10u) << profile;
  }
}

TEST(SimulationTest, AnUnknownProfileIsRefused) {
  SimOptions options;
  options.profile = "no such profile";
  StackPool stacks;
  EXPECT_EQ(Simulation::Run(options, stacks).status().code(), absl::StatusCode::kInvalidArgument);
}

class PlantedBugTest : public ::testing::TestWithParam<PlantedBugInfo> {};

TEST_P(PlantedBugTest, IsFound) {
  constexpr std::uint64_t kSeedsMax = 300;
  SimOptions options;
  options.bug = GetParam().bug;
  options.profile = std::string(GetParam().profile);
  for (options.seed = 1; options.seed <= kSeedsMax; ++options.seed) {
    const SimResult result = MustRun(options);
    if (!result.failure) continue;
    RecordProperty("seeds", static_cast<int>(options.seed));
    std::printf("%s: seed %d: %s\n", std::string(GetParam().name).c_str(),
                static_cast<int>(options.seed), result.failure->c_str());
    return;
  }
  FAIL() << GetParam().name << " was not found in " << kSeedsMax << " seeds";
}

std::string BugName(const ::testing::TestParamInfo<PlantedBugInfo>& info) {
  std::string name(info.param.name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Planted, PlantedBugTest, ::testing::ValuesIn(PlantedBugs()), BugName);

}  // namespace
}  // namespace mooring::testing
