// Every scenario is safe and complete; every broken variant is caught.

#include <cstdio>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/model/explorer.h"
#include "tests/model/gc_protocol.h"
#include "tests/model/gc_scenarios.h"

namespace mooring::model {
namespace {

constexpr std::size_t kStatesMax = 20'000'000;

std::string Story(const Exploration& found) {
  std::string story = found.violation;
  for (std::size_t i = 0; i < found.trace.size(); ++i) {
    story += "\n  " + std::to_string(i + 1) + ". " + found.trace[i];
  }
  return story;
}

Bounds With(std::string_view scenario, std::uint64_t variants) {
  Bounds bounds = FindScenario(scenario)->bounds;
  bounds.variants = variants;
  return bounds;
}

// As a name of a test.
std::string Identifier(std::string_view text) {
  std::string name;
  for (const char c : text) name += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? c : '_';
  return name;
}

std::vector<Scenario> ScenariosOfCi() {
  std::vector<Scenario> chosen;
  for (const Scenario& scenario : Scenarios()) {
    if (!scenario.is_long) chosen.push_back(scenario);
  }
  return chosen;
}

class GcScenarioTest : public ::testing::TestWithParam<Scenario> {};

TEST_P(GcScenarioTest, IsSafeInEveryState) {
  const Scenario& scenario = GetParam();
  const GcProtocol protocol(scenario.bounds);
  const Exploration found = Explorer(protocol).Run(kStatesMax);
  std::printf("%zu states, %zu steps, %.1f s\n", found.states, found.steps, found.seconds);
  EXPECT_EQ(found.violation, "") << Story(found);
  EXPECT_TRUE(found.is_exhaustive);
  EXPECT_GE(found.states, scenario.states_floor);
  EXPECT_EQ(protocol.goals() & scenario.goals, scenario.goals) << "something is never reached";
}

INSTANTIATE_TEST_SUITE_P(Model, GcScenarioTest, ::testing::ValuesIn(ScenariosOfCi()),
                         [](const auto& test) { return Identifier(test.param.name); });

class GcBrokenVariantTest : public ::testing::TestWithParam<BrokenVariant> {};

TEST_P(GcBrokenVariantTest, IsCaught) {
  const BrokenVariant& variant = GetParam();
  const GcProtocol protocol(With(variant.scenario, variant.variants));
  const Exploration found = Explorer(protocol).Run(kStatesMax);
  ASSERT_NE(found.violation, "") << found.states << " states, and nothing breaks";
  EXPECT_EQ(found.violation, variant.breaks) << Story(found);
  std::printf("caught after %zu steps: %s\n", found.trace.size(), Story(found).c_str());
}

INSTANTIATE_TEST_SUITE_P(Model, GcBrokenVariantTest, ::testing::ValuesIn(BrokenVariants()),
                         [](const auto& test) { return Identifier(test.param.name); });

std::vector<SpareVariant> SpareVariantsOfCi() {
  std::vector<SpareVariant> chosen;
  for (const SpareVariant& variant : SpareVariants()) {
    if (!variant.is_long) chosen.push_back(variant);
  }
  return chosen;
}

class GcSpareVariantTest : public ::testing::TestWithParam<SpareVariant> {};

TEST_P(GcSpareVariantTest, IsSafe) {
  const SpareVariant& variant = GetParam();
  const GcProtocol protocol(With(variant.scenario, variant.variants));
  const Exploration found = Explorer(protocol).Run(kStatesMax);
  EXPECT_EQ(found.violation, "") << Story(found);
  EXPECT_TRUE(found.is_exhaustive);
}

INSTANTIATE_TEST_SUITE_P(Model, GcSpareVariantTest, ::testing::ValuesIn(SpareVariantsOfCi()),
                         [](const auto& test) { return Identifier(test.param.name); });

}  // namespace
}  // namespace mooring::model
