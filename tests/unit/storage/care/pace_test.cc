#include "storage/care/pace.h"

#include <gtest/gtest.h>

namespace mooring::storage {
namespace {

// Time that passes only in Sleep.
class SleepingClock final : public Clock {
 public:
  absl::Time Now() override { return absl::UnixEpoch() + passed_; }
  absl::Duration Monotonic() override { return passed_; }
  bool Sleep(absl::Duration duration, std::stop_token stop) override {
    passed_ += duration;
    return !stop.stop_requested();
  }
  void Pass(absl::Duration duration) { passed_ += duration; }

 private:
  absl::Duration passed_ = absl::ZeroDuration();
};

TEST(PaceTest, KeepsTheRate) {
  SleepingClock clock;
  Pace pace(clock, 1'000'000);
  for (int i = 0; i < 11; ++i) ASSERT_TRUE(pace.Take({}, 500'000).ok());
  EXPECT_EQ(clock.Monotonic(), absl::Seconds(5));
}

TEST(PaceTest, DoesNotSaveUpIdleTime) {
  SleepingClock clock;
  Pace pace(clock, 1'000'000);
  clock.Pass(absl::Hours(1));
  ASSERT_TRUE(pace.Take({}, 2'000'000).ok());
  ASSERT_TRUE(pace.Take({}, 1).ok());
  EXPECT_EQ(clock.Monotonic(), absl::Hours(1) + absl::Seconds(2));
}

TEST(PaceTest, ZeroIsNoLimit) {
  SleepingClock clock;
  Pace pace(clock, 0);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(pace.Take({}, 1 << 30).ok());
  EXPECT_EQ(clock.Monotonic(), absl::ZeroDuration());
}

TEST(PaceTest, EndsWithItsContext) {
  SleepingClock clock;
  Pace pace(clock, 1000);
  const OpContext soon{.deadline = clock.Now() + absl::Seconds(1), .stop = {}};
  ASSERT_TRUE(pace.Take(soon, 10'000).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(pace.Take(soon, 1)));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(absl::IsCancelled(
      pace.Take({.deadline = absl::InfiniteFuture(), .stop = stop.get_token()}, 1)));
}

}  // namespace
}  // namespace mooring::storage
