#include "storage/base/clock.h"

#include <atomic>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace mooring {
namespace {

TEST(ManualClockTest, MovesOnlyWhenTold) {
  ManualClock clock(absl::UnixEpoch());
  EXPECT_EQ(clock.Now(), absl::UnixEpoch());
  clock.Advance(absl::Hours(5));
  EXPECT_EQ(clock.Now(), absl::UnixEpoch() + absl::Hours(5));
  EXPECT_EQ(clock.Monotonic(), absl::Hours(5));
}

TEST(ManualClockTest, AJumpMovesWallTimeAlone) {
  ManualClock clock(absl::UnixEpoch() + absl::Hours(24));
  clock.Jump(-absl::Hours(12));
  EXPECT_EQ(clock.Now(), absl::UnixEpoch() + absl::Hours(12));
  EXPECT_EQ(clock.Monotonic(), absl::ZeroDuration());
}

TEST(ManualClockTest, SleepersWakeWhenTheirTimeHasCome) {
  ManualClock clock(absl::UnixEpoch());
  std::atomic<bool> slept = false;
  std::jthread sleeper(
      [&](std::stop_token stop) { slept = clock.Sleep(absl::Minutes(1), std::move(stop)); });
  // The sleeper may begin at any of these steps; each later minute wakes it.
  while (!slept) {
    clock.Advance(absl::Minutes(1));
    std::this_thread::yield();
  }
  EXPECT_GE(clock.Monotonic(), absl::Minutes(1));
}

TEST(ManualClockTest, StopEndsTheSleep) {
  ManualClock clock(absl::UnixEpoch());
  std::stop_source source;
  source.request_stop();
  EXPECT_FALSE(clock.Sleep(absl::Hours(1), source.get_token()));
}

TEST(SystemClockTest, StopEndsTheSleepAndTimeGoesOn) {
  SystemClock clock;
  std::stop_source source;
  source.request_stop();
  const absl::Duration before = clock.Monotonic();
  EXPECT_FALSE(clock.Sleep(absl::Hours(1), source.get_token()));
  EXPECT_TRUE(clock.Sleep(absl::Milliseconds(1), {}));
  EXPECT_GE(clock.Monotonic(), before + absl::Milliseconds(1));
  EXPECT_GT(clock.Now(), absl::UnixEpoch());
}

}  // namespace
}  // namespace mooring
