// sim: runs simulations of the repository, one seed after the other, or one
// again. tests/sim/README.md.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tests/sim/simulation.h"

namespace mooring::testing {
namespace {

struct Arguments {
  std::uint64_t seed = 0;
  std::uint64_t seeds = 0;
  std::uint64_t from = 1;
  std::uint64_t steps = 0;
  std::uint64_t failures = 1;
  std::string profile = "swarm";
  std::string bug;
  bool trace = false;
};

SimOptions OptionsOf(const Arguments& arguments, std::uint64_t seed) {
  SimOptions options;
  options.seed = seed;
  options.profile = arguments.profile;
  if (arguments.steps > 0) options.steps = arguments.steps;
  if (!arguments.bug.empty()) options.bug = PlantedBugOf(arguments.bug).value_or(PlantedBug::kNone);
  if (arguments.trace) options.trace = stdout;
  return options;
}

std::string ReplayLine(const Arguments& arguments, std::uint64_t seed) {
  std::string line = fmt::format("sim --seed {} --profile {}", seed, arguments.profile);
  if (arguments.steps > 0) line += fmt::format(" --steps {}", arguments.steps);
  if (!arguments.bug.empty()) line += fmt::format(" --bug {}", arguments.bug);
  return line;
}

int RunOne(const Arguments& arguments) {
  StackPool stacks;
  const absl::StatusOr<SimResult> result =
      Simulation::Run(OptionsOf(arguments, arguments.seed), stacks);
  if (!result.ok()) {
    fmt::print(stderr, "sim: {}\n", result.status().ToString());
    return 2;
  }
  fmt::print("seed {}: {} steps, {} simulated, {} snapshots, {} deleted, trace {:016x}\n",
             arguments.seed, result->steps, absl::FormatDuration(result->lasted), result->snapshots,
             result->deleted, result->trace_hash);
  if (!result->failure) return 0;
  fmt::print("FAILED: {}\n", *result->failure);
  return 1;
}

int RunMany(const Arguments& arguments) {
  StackPool stacks;
  const auto began = std::chrono::steady_clock::now();
  std::uint64_t steps = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t failed = 0;
  for (std::uint64_t seed = arguments.from; seed < arguments.from + arguments.seeds; ++seed) {
    const absl::StatusOr<SimResult> result = Simulation::Run(OptionsOf(arguments, seed), stacks);
    if (!result.ok()) {
      fmt::print(stderr, "sim: {}\n", result.status().ToString());
      return 2;
    }
    steps += result->steps;
    snapshots += result->snapshots;
    if (!result->failure) continue;
    ++failed;
    fmt::print("FAILED: {}\n  {}\n", ReplayLine(arguments, seed), *result->failure);
    std::fflush(stdout);
    if (failed >= arguments.failures) break;
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  fmt::print(
      "{} seeds of profile {}: {} failed, {} steps, {} snapshots, {:.1f} s, {:.1f} seeds/s\n",
      arguments.seeds, arguments.profile, failed, steps, snapshots, seconds,
      static_cast<double>(arguments.seeds) / seconds);
  return failed > 0 ? 1 : 0;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Deterministic simulation of the repository");
  app.add_option("--seed", arguments.seed, "run this seed");
  app.add_option("--seeds", arguments.seeds, "run so many seeds");
  app.add_option("--from", arguments.from, "the first of them");
  app.add_option("--failures", arguments.failures, "stop after so many that fail");
  app.add_option("--steps", arguments.steps, "task switches of the main phase");
  app.add_option("--profile", arguments.profile,
                 "swarm, calm, faults, crash, network, collect, hostile, travel or rot");
  app.add_option("--bug", arguments.bug, "with a planted bug (README.md has their names)")
      ->check([](const std::string& name) {
        return PlantedBugOf(name) ? std::string() : "no planted bug has this name";
      });
  app.add_flag("--trace", arguments.trace, "print every call");
  CLI11_PARSE(app, argc, argv);
  if (arguments.seeds > 0) return RunMany(arguments);
  return RunOne(arguments);
}

}  // namespace
}  // namespace mooring::testing

int main(int argc, char** argv) {
  return mooring::testing::Main(argc, argv);
}
