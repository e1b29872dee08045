#include "storage/base/random.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "storage/base/bytes.h"

namespace mooring {
namespace {

TEST(RandomTest, TheSameSeedGivesTheSameBytes) {
  Bytes a(100);
  Bytes b(100);
  Bytes c(100);
  SeededRandom(7).Fill(a);
  SeededRandom(7).Fill(b);
  SeededRandom(8).Fill(c);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

TEST(RandomTest, TheSystemsBytesDiffer) {
  SystemRandom random;
  Bytes a(32);
  Bytes b(32);
  random.Fill(a);
  random.Fill(b);
  EXPECT_NE(a, b);
  random.Fill({});
}

TEST(RandomTest, BelowStaysBelowAndReachesEveryValue) {
  SeededRandom random(9);
  std::array<int, 10> seen{};
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t value = random.Below(seen.size());
    ASSERT_LT(value, seen.size());
    ++seen[value];
  }
  for (const int count : seen) EXPECT_NEAR(count, 1000, 200);
  EXPECT_EQ(random.Below(1), 0U);
}

}  // namespace
}  // namespace mooring
