#include "server/compliance/policy_check.h"

#include <algorithm>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mooring::server {
namespace {

using ::testing::HasSubstr;

std::string Error(const v1::Policy& policy) {
  return std::string(CheckPolicy(policy).message());
}

TEST(PolicyDurationTest, ReadsEveryUnit) {
  EXPECT_EQ(*ParsePolicyDuration("90m"), absl::Minutes(90));
  EXPECT_EQ(*ParsePolicyDuration("24h"), absl::Hours(24));
  EXPECT_EQ(*ParsePolicyDuration("7d"), absl::Hours(168));
  EXPECT_EQ(*ParsePolicyDuration("4w"), absl::Hours(672));
  EXPECT_EQ(*ParsePolicyDuration("6mo"), absl::Hours(24 * 180));
  EXPECT_EQ(*ParsePolicyDuration("2y"), absl::Hours(24 * 730));
}

TEST(PolicyDurationTest, RefusesTheRest) {
  for (const char* bad :
       {"", "7", "d", "-1d", "1.5h", "0d", "11y", "99999999999999d", "7 d", "7D", "1d2h"}) {
    EXPECT_FALSE(ParsePolicyDuration(bad).ok()) << bad;
  }
}

TEST(PolicyCheckTest, TheBuiltInPolicyIsGood) {
  const absl::Status status = CheckPolicy(BuiltInPolicy());
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(RpoOf(BuiltInPolicy()), absl::Hours(168));
  EXPECT_EQ(DueAfter(BuiltInPolicy()), absl::Hours(24));
  v1::Policy quick = BuiltInPolicy();
  quick.set_rpo("2h");
  EXPECT_EQ(DueAfter(quick), absl::Hours(1));
}

TEST(PolicyCheckTest, DefaultsAreWrittenOut) {
  const v1::Policy policy = WithDefaults({});
  EXPECT_EQ(policy.group(), "default");
  EXPECT_EQ(policy.rpo(), "7d");
  EXPECT_EQ(policy.phone_encryption(), v1::PHONE_ENCRYPTION_AS_IS);
  EXPECT_EQ(policy.custody(), v1::CUSTODY_MANAGED);
  EXPECT_TRUE(CheckPolicy(policy).ok());
}

TEST(PolicyCheckTest, NamesTheKeyThatIsWrong) {
  v1::Policy policy = BuiltInPolicy();
  policy.set_rpo("a week");
  EXPECT_THAT(Error(policy), HasSubstr("rpo: "));
  policy = BuiltInPolicy();
  policy.mutable_retention()->set_keep_last(0);
  EXPECT_THAT(Error(policy), HasSubstr("retention.keep_last: must be at least 1"));
  policy = BuiltInPolicy();
  policy.mutable_retention()->set_minimum_age("young");
  EXPECT_THAT(Error(policy), HasSubstr("retention.minimum_age"));
  policy = BuiltInPolicy();
  policy.set_group("Sales Team");
  EXPECT_THAT(Error(policy), HasSubstr("group: "));
  policy = BuiltInPolicy();
  policy.mutable_window()->set_from("25:00");
  EXPECT_THAT(Error(policy), HasSubstr("window.from"));
}

TEST(PolicyCheckTest, NothingCanBeCutOutOfAnIphonesFullCapture) {
  v1::Policy policy = BuiltInPolicy();
  v1::CategoryRule& rule = *policy.add_categories();
  rule.set_category(v1::CATEGORY_PHOTOS);
  rule.set_action(v1::CATEGORY_ACTION_CAPTURE);
  EXPECT_TRUE(CheckPolicy(policy).ok());
  rule.set_action(v1::CATEGORY_ACTION_SKIP);
  EXPECT_EQ(CheckPolicy(policy).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Error(policy), HasSubstr("photos cannot be skipped"));
  EXPECT_THAT(Error(policy), HasSubstr("all or nothing"));
  *policy.add_categories() = policy.categories(0);
  policy.mutable_categories(0)->set_action(v1::CATEGORY_ACTION_CAPTURE);
  EXPECT_THAT(Error(policy), HasSubstr("named twice"));
}

TEST(PolicyCheckTest, CategoriesAreSkippedWhereNoIphoneIsTakenWhole) {
  v1::Policy policy = BuiltInPolicy();
  const auto captures = [&](v1::Category category) {
    const auto all = CapturedCategories(policy);
    return std::find(all.begin(), all.end(), category) != all.end();
  };
  EXPECT_TRUE(captures(v1::CATEGORY_MESSAGES));
  EXPECT_FALSE(captures(v1::CATEGORY_INSTALLED_APPS));
  v1::CategoryRule& apps = *policy.add_categories();
  apps.set_category(v1::CATEGORY_INSTALLED_APPS);
  apps.set_action(v1::CATEGORY_ACTION_CAPTURE);
  v1::CategoryRule& messages = *policy.add_categories();
  messages.set_category(v1::CATEGORY_MESSAGES);
  messages.set_action(v1::CATEGORY_ACTION_SKIP);
  policy.mutable_ios()->set_full_off(true);
  EXPECT_TRUE(CheckPolicy(policy).ok());
  EXPECT_TRUE(captures(v1::CATEGORY_INSTALLED_APPS));
  EXPECT_FALSE(captures(v1::CATEGORY_MESSAGES));
}

TEST(PolicyCheckTest, CapturesFollowPolicyAndPlatform) {
  using Kinds = std::vector<v1::CaptureKind>;
  v1::Policy policy = BuiltInPolicy();
  const Kinds both = {v1::CAPTURE_KIND_FULL, v1::CAPTURE_KIND_PHOTOS};
  const Kinds full = {v1::CAPTURE_KIND_FULL};
  const Kinds photos = {v1::CAPTURE_KIND_PHOTOS};
  EXPECT_EQ(*AllowedCaptures(policy, v1::PLATFORM_IOS, both), both);
  EXPECT_EQ(*AllowedCaptures(policy, v1::PLATFORM_ANDROID, photos), full);
  policy.mutable_ios()->set_full_off(true);
  EXPECT_EQ(*AllowedCaptures(policy, v1::PLATFORM_IOS, full), photos);
  v1::CategoryRule& rule = *policy.add_categories();
  rule.set_category(v1::CATEGORY_PHOTOS);
  rule.set_action(v1::CATEGORY_ACTION_SKIP);
  EXPECT_EQ(AllowedCaptures(policy, v1::PLATFORM_IOS, full).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(PolicyCheckTest, WhatIsNotEnforcedIsNotPromised) {
  const auto refused = [](auto change) {
    v1::Policy policy = BuiltInPolicy();
    change(policy);
    EXPECT_EQ(CheckPolicy(policy).code(), absl::StatusCode::kUnimplemented) << policy.DebugString();
  };
  refused([](v1::Policy& p) { p.set_custody(v1::CUSTODY_SEALED); });
  refused([](v1::Policy& p) { p.set_custody(v1::CUSTODY_HSM); });
  refused([](v1::Policy& p) { p.set_replicas(1); });
  refused([](v1::Policy& p) { p.set_drill_interval("30d"); });
  refused([](v1::Policy& p) { p.set_minimum_battery_percent(20); });
  refused([](v1::Policy& p) { p.set_bandwidth_bytes_per_second(1); });
  refused([](v1::Policy& p) { p.set_update_freshness("1h"); });
  refused([](v1::Policy& p) { p.mutable_os_floor()->set_ios("16"); });
  refused([](v1::Policy& p) { p.set_tampered_action(v1::TAMPERED_ACTION_REFUSE); });
  refused([](v1::Policy& p) { p.mutable_window()->set_from("08:00"); });
}

}  // namespace
}  // namespace mooring::server
