// gc_explore: explores scenarios and variants of the garbage-collection model and
// prints what it found, as the table of gc-safety.md.
//
//   gc_explore                     every scenario of CI, every variant
//   gc_explore --long              the large scenarios too
//   gc_explore --scenario NAME     that one alone
//   gc_explore --variant TEXT      variants whose name contains TEXT, with traces

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tests/model/explorer.h"
#include "tests/model/gc_protocol.h"
#include "tests/model/gc_scenarios.h"

namespace mooring::model {
namespace {

constexpr std::size_t kStatesMax = 200'000'000;

struct Options {
  bool is_long = false;
  std::string_view scenario;
  std::string_view variant;
};

bool Print(std::string_view name, const Bounds& bounds, bool with_trace) {
  const GcProtocol protocol(bounds);
  const Exploration found = Explorer(protocol).Run(kStatesMax);
  std::printf("%-60s %10zu states %11zu steps %7.1f s  %s%s\n", std::string(name).c_str(),
              found.states, found.steps, found.seconds,
              found.violation.empty() ? (found.is_exhaustive ? "SAFE, exhaustive" : "not finished")
                                      : found.violation.c_str(),
              found.violation.empty()
                  ? ""
                  : (" after " + std::to_string(found.trace.size()) + " steps").c_str());
  if (found.violation.empty()) {
    std::printf("    goals %llx\n", static_cast<unsigned long long>(protocol.goals()));
  }
  for (std::size_t i = 0; with_trace && i < found.trace.size(); ++i) {
    std::printf("  %2zu. %s\n", i + 1, found.trace[i].c_str());
  }
  std::fflush(stdout);
  return found.violation.empty() && found.is_exhaustive;
}

Bounds With(std::string_view scenario, std::uint64_t variants) {
  Bounds bounds = FindScenario(scenario)->bounds;
  bounds.variants = variants;
  return bounds;
}

int Explore(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--long") {
      options.is_long = true;
    } else if (arg == "--scenario" && i + 1 < argc) {
      options.scenario = argv[++i];
    } else if (arg == "--variant" && i + 1 < argc) {
      options.variant = argv[++i];
    } else {
      std::fprintf(stderr, "usage: gc_explore [--long] [--scenario NAME] [--variant TEXT]\n");
      return EXIT_FAILURE;
    }
  }
  bool is_good = true;
  for (const Scenario& scenario : Scenarios()) {
    const bool is_asked = options.scenario.empty() ? !scenario.is_long || options.is_long
                                                   : scenario.name == options.scenario;
    if (!is_asked || !options.variant.empty()) continue;
    is_good = Print(scenario.name, scenario.bounds, true) && is_good;
  }
  if (!options.scenario.empty()) return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
  const auto is_asked = [&](std::string_view name) {
    return options.variant.empty() || name.find(options.variant) != std::string_view::npos;
  };
  for (const BrokenVariant& variant : BrokenVariants()) {
    if (!is_asked(variant.name)) continue;
    const bool is_safe =
        Print(variant.name, With(variant.scenario, variant.variants), !options.variant.empty());
    is_good = is_good && !is_safe;
  }
  for (const SpareVariant& variant : SpareVariants()) {
    if (!is_asked(variant.name)) continue;
    if (variant.is_long && !options.is_long && options.variant.empty()) continue;
    is_good = Print(variant.name, With(variant.scenario, variant.variants), true) && is_good;
  }
  return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace mooring::model

int main(int argc, char** argv) {
  return mooring::model::Explore(argc, argv);
}
