#include "storage/retention/policy.h"

#include <gtest/gtest.h>

#include "tests/unit/storage/retention/test_facts.h"

namespace mooring::storage {
namespace {

v1::Retention Rules(std::uint32_t keep_last, std::uint32_t daily, const std::string& age = "") {
  v1::Retention rules;
  rules.set_keep_last(keep_last);
  rules.set_daily(daily);
  rules.set_minimum_age(age);
  return rules;
}

v1::RetentionInput DailyFulls(int days) {
  v1::RetentionInput input;
  for (int day = 0; day < days; ++day) {
    const absl::Time at = absl::FromUnixSeconds(1'767'268'800) + day * absl::Hours(24);
    const auto number = static_cast<std::uint64_t>(day + 1);
    v1::SnapshotFacts& snapshot = *input.add_snapshots() = TestSnapshot(number, at);
    AddCapture(snapshot, v1::CAPTURE_KIND_FULL, number, at);
    *input.mutable_as_of() = ToTimestamp(at + absl::Hours(1));
  }
  return input;
}

TEST(RetentionTest, AClockThatJumpsAheadDropsOnlyWhatAgeHeld) {
  v1::RetentionInput input = DailyFulls(60);
  *input.mutable_rules() = Rules(3, 7);
  input.mutable_rules()->set_monthly(12);
  const auto today = Judge(input);
  input.mutable_as_of()->set_seconds(input.as_of().seconds() + 10 * 365 * 86'400);
  const auto in_ten_years = Judge(input);
  for (std::size_t i = 0; i < today.size(); ++i) {
    EXPECT_EQ(VerdictText(today[i]), VerdictText(in_ten_years[i]));
  }
}

TEST(RetentionTest, AClockThatJumpsBackDropsNothing) {
  v1::RetentionInput input = DailyFulls(60);
  *input.mutable_rules() = Rules(1, 0);
  input.mutable_as_of()->set_seconds(input.snapshots(0).created_at().seconds() - 1);
  for (const v1::RetentionVerdict& verdict : Judge(input)) EXPECT_TRUE(verdict.keep());
}

TEST(RetentionTest, DevicesAndLineagesAreJudgedApart) {
  v1::RetentionInput input = DailyFulls(3);
  *input.mutable_rules() = Rules(1, 0);
  input.mutable_snapshots(0)->set_lineage(0);
  input.mutable_snapshots(1)->set_device_id(TestId('d', 2));
  for (const v1::RetentionVerdict& verdict : Judge(input)) {
    EXPECT_EQ(VerdictText(verdict), "keep: full keep_last 1");
  }
}

TEST(RetentionTest, ASectionLeftOutOrUnreadableKeepsEverythingAndSaysWhy) {
  v1::RetentionInput input = DailyFulls(3);
  input.set_without_rules("no policy for group sales");
  EXPECT_EQ(VerdictText(Judge(input)[0]), "keep: no policy for group sales");
  EXPECT_FALSE(StatesRules(input.rules()));
  input.mutable_rules()->set_minimum_age("7d");
  EXPECT_FALSE(StatesRules(input.rules())) << "an age says what must stay, not what may go";
  EXPECT_TRUE(Judge(input)[0].keep());
  *input.mutable_rules() = Rules(1, 0, "soon");
  EXPECT_TRUE(absl::IsInvalidArgument(CheckRules(input.rules())));
  const std::string verdict = VerdictText(Judge(input)[0]);
  EXPECT_NE(verdict.find("keep: retention.minimum_age"), std::string::npos) << verdict;
}

TEST(RetentionTest, AReasonSaysItsRuleCaptureAndPeriod) {
  v1::RetentionInput input = DailyFulls(2);
  *input.mutable_rules() = Rules(1, 1);
  const auto verdicts = Judge(input);
  ASSERT_EQ(verdicts[1].reasons_size(), 2);
  EXPECT_EQ(verdicts[1].reasons(1).rule(), v1::RETENTION_RULE_DAILY);
  EXPECT_EQ(verdicts[1].reasons(1).capture(), v1::CAPTURE_KIND_FULL);
  EXPECT_EQ(verdicts[1].reasons(1).period(), "2026-01-02");
  ASSERT_EQ(verdicts[0].reasons_size(), 1);
  EXPECT_EQ(verdicts[0].reasons(0).rule(), v1::RETENTION_RULE_NONE);
}

TEST(RetentionTest, OfTwoCapturesOfAKindTheFirstCounts) {
  v1::RetentionInput input = DailyFulls(2);
  *input.mutable_rules() = Rules(1, 0);
  AddCapture(*input.mutable_snapshots(0), v1::CAPTURE_KIND_FULL, 99, absl::UnixEpoch());
  EXPECT_FALSE(Judge(input)[0].keep());
}

TEST(RetentionTest, WhatIsLoweredIsNamed) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(LoweredRules(Rules(3, 7), Rules(3, 7)), Texts());
  EXPECT_EQ(LoweredRules(Rules(3, 7), Rules(4, 8, "7d")), Texts());
  EXPECT_EQ(LoweredRules(Rules(3, 7), Rules(4, 6)), Texts({"daily from 7 to 6"}));
  EXPECT_EQ(LoweredRules(Rules(3, 0, "14d"), Rules(1, 0, "7d")),
            Texts({"keep_last from 3 to 1", "minimum_age from 2w to 1w"}));
  EXPECT_EQ(LoweredRules(Rules(3, 7), {}), Texts()) << "no rules keep everything";
  EXPECT_EQ(LoweredRules({}, Rules(1000, 1000)).size(), 1u);
  EXPECT_EQ(LoweredRules(Rules(0, 7), Rules(1, 7)), Texts()) << "0 counts as 1";
  EXPECT_EQ(LoweredRules(Rules(3, 7, "1d"), Rules(3, 7, "24h")), Texts());
}

}  // namespace
}  // namespace mooring::storage
