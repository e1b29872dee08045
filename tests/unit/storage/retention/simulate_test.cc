#include "storage/retention/simulate.h"

#include <gtest/gtest.h>

namespace mooring::storage {
namespace {

v1::SimulatePolicyRequest Request() {
  v1::SimulatePolicyRequest request;
  request.mutable_rules()->set_keep_last(3);
  request.mutable_rules()->set_daily(7);
  request.mutable_rules()->set_weekly(4);
  request.mutable_rules()->set_monthly(6);
  request.set_backups_per_week(7);
  request.set_years(2);
  return request;
}

TEST(SimulateTest, ADailyBackupUnderTheUsualRules) {
  const auto simulated = Simulate(Request());
  ASSERT_TRUE(simulated.ok()) << simulated.status();
  EXPECT_EQ(simulated->taken(), 730u);
  ASSERT_EQ(simulated->points_size(), 6);
  EXPECT_EQ(simulated->points(0).day(), 7u);
  EXPECT_EQ(simulated->points(0).kept(), 7u);
  EXPECT_EQ(simulated->points(0).oldest_days(), 7u);
  const v1::SimulatedPoint& last = simulated->points(5);
  EXPECT_EQ(last.day(), 730u);
  // Seven days, then at most three further weeks and five further months.
  EXPECT_LE(last.kept(), 15u);
  EXPECT_GE(last.kept(), 12u);
  EXPECT_GT(last.oldest_days(), 150u);
  EXPECT_LT(last.oldest_days(), 190u);
  EXPECT_LE(last.widest_gap_days(), 31u);
  EXPECT_GE(simulated->kept_max(), last.kept());
}

TEST(SimulateTest, PhotosOnTopTakeNoPlaceFromTheFullOnes) {
  v1::SimulatePolicyRequest request = Request();
  request.set_backups_per_week(1);
  const auto alone = Simulate(request);
  request.set_photos_per_week(14);
  const auto with_photos = Simulate(request);
  ASSERT_TRUE(alone.ok() && with_photos.ok());
  for (int i = 0; i < alone->points_size(); ++i) {
    // And what is kept for the photos may carry a full capture that would be gone.
    EXPECT_GE(with_photos->points(i).oldest_days(), alone->points(i).oldest_days());
    EXPECT_LE(with_photos->points(i).widest_gap_days(), alone->points(i).widest_gap_days());
    EXPECT_GT(with_photos->points(i).kept(), alone->points(i).kept());
  }
}

TEST(SimulateTest, WhatCannotBeSimulatedIsRefused) {
  v1::SimulatePolicyRequest request = Request();
  request.set_years(21);
  EXPECT_TRUE(absl::IsInvalidArgument(Simulate(request).status()));
  request = Request();
  request.set_backups_per_week(51);
  EXPECT_TRUE(absl::IsInvalidArgument(Simulate(request).status()));
  request = Request();
  request.clear_rules();
  EXPECT_TRUE(absl::IsInvalidArgument(Simulate(request).status()));
  request = Request();
  request.mutable_rules()->set_minimum_age("soon");
  EXPECT_TRUE(absl::IsInvalidArgument(Simulate(request).status()));
}

}  // namespace
}  // namespace mooring::storage
