// Whose lock is renewed in which hour.

#include "server/jobs/object_locks.h"

#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace mooring::server {
namespace {

TEST(ObjectLocksTest, RoundsInEveryHourTakeEachObjectOnceInASweep) {
  for (const std::int64_t sweep : {6, 7, 180}) {
    for (std::uint32_t number = 0; number < 400; ++number) {
      int turns = 0;
      for (std::int64_t hour = 1'000; hour < 1'000 + sweep; ++hour) {
        turns += IsTurnOf(number, hour - 1, hour, sweep) ? 1 : 0;
      }
      EXPECT_EQ(turns, 1) << number << " of " << sweep;
    }
  }
}

TEST(ObjectLocksTest, HoursThatWereMissedAreMadeUpFor) {
  SeededRandom random(3);
  constexpr std::int64_t kSweep = 180;
  for (std::uint32_t number = 0; number < 200; ++number) {
    std::int64_t done = 5'000;
    std::int64_t last_turn = done;
    while (done < 8'000) {
      const auto hour = done + static_cast<std::int64_t>(random.Below(400));
      if (IsTurnOf(number, done, hour, kSweep)) last_turn = hour;
      done = hour;
      // Only a round that comes late itself makes anybody wait longer than a sweep.
      EXPECT_LE(done - last_turn, kSweep);
    }
  }
}

TEST(ObjectLocksTest, ARoundInTheSameHourHasNothingToDo) {
  for (std::uint32_t number = 0; number < 400; ++number) {
    EXPECT_FALSE(IsTurnOf(number, 1'000, 1'000, 180));
    EXPECT_FALSE(IsTurnOf(number, 1'000, 999, 180));  // The clock went back.
  }
}

}  // namespace
}  // namespace mooring::server
