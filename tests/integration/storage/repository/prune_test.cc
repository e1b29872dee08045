#include "storage/retention/prune.h"

#include "storage/catalog/policy_store.h"
#include "tests/integration/storage/repository/repository_fixture.h"

namespace mooring::testing {
namespace {

class PruneTest : public RepositoryTest {
 protected:
  void ApplyPolicy(std::uint32_t keep_last, std::uint32_t daily, const std::string& age) {
    v1::Policy policy;
    policy.set_group("default");
    policy.mutable_retention()->set_keep_last(keep_last);
    policy.mutable_retention()->set_daily(daily);
    policy.mutable_retention()->set_minimum_age(age);
    const absl::Status applied = catalog().Run({}, [&](storage::Transaction& tx) {
      return tx.policies().Apply(policy, "account:root", time_.Now()).status();
    });
    ASSERT_TRUE(applied.ok()) << applied;
  }

  std::vector<v1::Receipt> SomeDays(int days) {
    std::vector<v1::Receipt> receipts;
    for (int day = 0; day < days; ++day) {
      receipts.push_back(BackUp(phone_, desk_, Changed(files_, static_cast<std::uint64_t>(day))));
      time_.Advance(absl::Hours(24));
    }
    return receipts;
  }

  storage::Pruner Pruner() { return storage::Pruner(*faulty_catalog_, repository(), time_); }
};

TEST_F(PruneTest, APlanChangesNothingAndApplyDoesWhatItSaid) {
  const std::vector<v1::Receipt> receipts = SomeDays(6);
  const v1::Receipt bobs = BackUp(bobs_phone_, desk_, files_);
  ApplyPolicy(1, 3, "2d");
  auto pruner = Pruner();
  const auto plan = pruner.Plan({}, std::nullopt);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->dropped, 3u);
  EXPECT_EQ(plan->kept, 4u);
  EXPECT_FALSE(plan->applied);
  for (const v1::Receipt& receipt : receipts) {
    EXPECT_FALSE(SnapshotRow(SnapshotOf(receipt))->deleted_at);
  }
  const auto applied = pruner.Apply({}, std::nullopt, "account:root", "by hand");
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_TRUE(applied->applied);
  ASSERT_EQ(applied->marks.size(), plan->marks.size());
  for (std::size_t i = 0; i < plan->marks.size(); ++i) {
    EXPECT_EQ(applied->marks[i].snapshot, plan->marks[i].snapshot);
    EXPECT_EQ(applied->marks[i].keep, plan->marks[i].keep);
    EXPECT_EQ(applied->marks[i].reasons, plan->marks[i].reasons);
  }
  for (int day = 0; day < 6; ++day) {
    const auto row = SnapshotRow(SnapshotOf(receipts[static_cast<std::size_t>(day)]));
    EXPECT_EQ(row->deleted_at.has_value(), day < 3) << day;
    if (day >= 3) {
      ExpectHolds(receipts[static_cast<std::size_t>(day)],
                  Changed(files_, static_cast<std::uint64_t>(day)));
    }
  }
  ExpectHolds(bobs, files_);
  EXPECT_EQ(pruner.Apply({}, std::nullopt, "account:root", "again")->dropped, 0u);
}

TEST_F(PruneTest, OnlyTheDeviceAskedFor) {
  SomeDays(3);
  BackUp(bobs_phone_, desk_, files_);
  time_.Advance(absl::Hours(1));
  BackUp(bobs_phone_, desk_, Changed(files_, 1));
  ApplyPolicy(1, 0, "");
  const auto result = Pruner().Apply({}, bobs_phone_, "account:root", "by hand");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->dropped, 1u);
  EXPECT_EQ(result->marks.size(), 2u);
}

TEST_F(PruneTest, WithoutAPolicyEverythingStaysAndSaysWhy) {
  SomeDays(3);
  const auto without = Pruner().Plan({}, std::nullopt);
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_EQ(without->dropped, 0u);
  ASSERT_EQ(without->marks.size(), 3u);
  EXPECT_EQ(without->marks[0].reasons, std::vector<std::string>{"no policy for group default"});
  ApplyPolicy(0, 0, "7d");
  EXPECT_EQ(Pruner().Plan({}, std::nullopt)->dropped, 0u);
}

TEST_F(PruneTest, OneFailureStopsNothingElse) {
  SomeDays(4);
  ApplyPolicy(1, 0, "");
  store_.FailCall(1, storage::ObjectFault::kFailBefore);
  const auto result = Pruner().Apply({}, std::nullopt, "account:root", "by hand");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->dropped, 2u);
  EXPECT_EQ(result->kept, 2u);
  EXPECT_EQ(Pruner().Apply({}, std::nullopt, "account:root", "again")->dropped, 1u);
}

}  // namespace
}  // namespace mooring::testing
