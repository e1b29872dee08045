#include "storage/retention/prune.h"

#include <algorithm>
#include <thread>

#include "storage/base/status.h"
#include "storage/catalog/hold_store.h"
#include "storage/catalog/policy_store.h"
#include "storage/catalog/prune_store.h"
#include "storage/objects/object_layout.h"
#include "storage/retention/policy_plan.h"
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

  storage::Pruner Pruner(storage::PruneLimits limits = {}) {
    return storage::Pruner(*faulty_catalog_, repository(), time_, limits);
  }

  static std::string ReasonOf(const storage::PruneResult& result, std::size_t mark) {
    return result.marks.at(mark).verdict.reasons(0).text();
  }

  storage::HoldRecord NewHold() {
    storage::HoldRecord hold;
    hold.id = storage::HoldId::Make(system_random_);
    hold.device = phone_;
    hold.reason = "case 14";
    hold.placed_by = "ada";
    hold.placed_at = time_.Now();
    return hold;
  }
  template <typename Body>
  absl::Status In(Body body) {
    return catalog().Run({}, body);
  }
  storage::PruneState State() {
    storage::PruneState state;
    EXPECT_TRUE(In([&](storage::Transaction& tx) -> absl::Status {
                  MOORING_ASSIGN_OR_RETURN(state, tx.prunes().Get());
                  return absl::OkStatus();
                }).ok());
    return state;
  }
  std::vector<std::string> AuditActions() {
    std::vector<std::string> actions;
    EXPECT_TRUE(In([&](storage::Transaction& tx) -> absl::Status {
                  MOORING_ASSIGN_OR_RETURN(const auto records, tx.AuditSince(0, 10'000));
                  for (const auto& record : records) actions.push_back(record.record.action);
                  return absl::OkStatus();
                }).ok());
    return actions;
  }
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
    EXPECT_EQ(applied->marks[i].verdict.SerializeAsString(),
              plan->marks[i].verdict.SerializeAsString());
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
  EXPECT_EQ(ReasonOf(*without, 0), "no policy for group default");
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

TEST_F(PruneTest, AHoldAndAPinKeepWhatTheRulesWouldDrop) {
  const std::vector<v1::Receipt> receipts = SomeDays(4);
  ApplyPolicy(1, 0, "");
  const SnapshotId pinned = SnapshotOf(receipts[1]);
  ASSERT_TRUE(In([&](storage::Transaction& tx) {
                return tx.holds().Pin({.snapshot = pinned,
                                       .pinned_by = "ada",
                                       .pinned_at = time_.Now(),
                                       .until = time_.Now() + absl::Hours(24),
                                       .reason = "update"});
              }).ok());
  const absl::Status by_hand = repository().Delete({}, pinned, "account:root", "by hand");
  EXPECT_TRUE(absl::IsFailedPrecondition(by_hand)) << by_hand;
  EXPECT_TRUE(Keys(storage::TombstoneObjectKey(pinned)).empty()) << "nothing was begun";
  EXPECT_EQ(Pruner().Apply({}, std::nullopt, "account:root", "by hand")->dropped, 2u);

  const storage::HoldRecord hold = NewHold();
  ASSERT_TRUE(In([&](storage::Transaction& tx) { return tx.holds().Place(hold).status(); }).ok());
  time_.Advance(absl::Hours(25));  // The pin is over.
  EXPECT_EQ(Pruner().Apply({}, std::nullopt, "account:root", "by hand")->dropped, 0u);
  const absl::Status held = repository().Delete({}, pinned, "account:root", "by hand");
  EXPECT_TRUE(absl::IsFailedPrecondition(held)) << held;
  ASSERT_TRUE(In([&](storage::Transaction& tx) {
                return tx.holds().Release(hold.id, "bert", time_.Now());
              }).ok());
  EXPECT_EQ(Pruner().Apply({}, std::nullopt, "account:root", "by hand")->dropped, 1u);
}

// Fault row 51: of a hold and a deletion at the same instant one is first, and the
// other finds it. Never is a snapshot gone that a hold counted.
TEST_F(PruneTest, AHoldAtTheInstantOfADeletionNeverBoth) {
  constexpr int kRounds = 25;
  int held_first = 0;
  for (int round = 0; round < kRounds; ++round) {
    const v1::Receipt receipt =
        BackUp(phone_, desk_, Changed(files_, static_cast<std::uint64_t>(round)));
    const SnapshotId snapshot = SnapshotOf(receipt);
    const storage::HoldRecord hold = NewHold();
    std::uint64_t covered = 0;
    absl::Status placed;
    absl::Status deleted;
    {
      const std::jthread holder([&] {
        placed = In([&](storage::Transaction& tx) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(covered, tx.holds().Place(hold));
          return absl::OkStatus();
        });
      });
      const std::jthread deleter(
          [&] { deleted = repository().Delete({}, snapshot, "account:root", "by hand"); });
    }
    ASSERT_TRUE(placed.ok()) << placed;
    const bool is_gone = SnapshotRow(snapshot)->deleted_at.has_value();
    EXPECT_EQ(covered, is_gone ? 0u : 1u);
    EXPECT_EQ(deleted.ok(), is_gone) << deleted;
    if (!is_gone) {
      ++held_first;
      EXPECT_TRUE(absl::IsFailedPrecondition(deleted)) << deleted;
      ExpectHolds(receipt, Changed(files_, static_cast<std::uint64_t>(round)));
    }
    ASSERT_TRUE(In([&](storage::Transaction& tx) {
                  return tx.holds().Release(hold.id, "bert", time_.Now());
                }).ok());
    if (!is_gone) {
      ASSERT_TRUE(repository().Delete({}, snapshot, "account:root", "next").ok());
    }
    time_.Advance(absl::Hours(1));
  }
  RecordProperty("held_first", held_first);
}

TEST_F(PruneTest, ADeletionThatIsNotAllowedBeginsNothing) {
  const SnapshotId snapshot = SnapshotOf(SomeDays(1)[0]);
  const absl::Status refused = repository().Delete(
      {}, snapshot, "account:root", "by hand",
      [](storage::Transaction&) { return absl::FailedPreconditionError("kept by now"); });
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_FALSE(SnapshotRow(snapshot)->deletion_decided_at);
  EXPECT_TRUE(Keys(storage::TombstoneObjectKey(snapshot)).empty());
}

TEST_F(PruneTest, WhatWasDecidedIsDoneAtTheNextStartWhateverComesThen) {
  const std::vector<v1::Receipt> receipts = SomeDays(2);
  const SnapshotId snapshot = SnapshotOf(receipts[0]);
  store_.FailCall(1, storage::ObjectFault::kFailBefore);
  EXPECT_FALSE(repository().Delete({}, snapshot, "account:root", "by hand").ok());
  EXPECT_FALSE(SnapshotRow(snapshot)->deleted_at);
  std::uint64_t covered = 99;
  ASSERT_TRUE(In([&](storage::Transaction& tx) -> absl::Status {
                MOORING_ASSIGN_OR_RETURN(covered, tx.holds().Place(NewHold()));
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(covered, 1u) << "of the two, only the one that is not on its way";
  Reopen();
  EXPECT_TRUE(SnapshotRow(snapshot)->deleted_at);
  EXPECT_FALSE(SnapshotRow(SnapshotOf(receipts[1]))->deleted_at);
}

TEST_F(PruneTest, ARoundDropsAtMostItsShareOldestFirst) {
  const std::vector<v1::Receipt> receipts = SomeDays(6);
  ApplyPolicy(1, 0, "");
  const storage::PruneLimits limits{.drops_max = 2, .percent_max = 100, .drops_free = 1};
  const auto plan = Pruner(limits).Plan({}, std::nullopt);
  EXPECT_EQ(plan->dropped, 2u);
  EXPECT_EQ(plan->deferred, 3u);
  EXPECT_EQ(plan->kept, 4u);
  const auto applied = Pruner(limits).Apply({}, std::nullopt, "account:root", "by hand");
  EXPECT_EQ(applied->dropped, 2u);
  EXPECT_EQ(applied->deferred, 3u);
  for (std::size_t i = 0; i < receipts.size(); ++i) {
    EXPECT_EQ(SnapshotRow(SnapshotOf(receipts[i]))->deleted_at.has_value(), i < 2) << i;
  }
  EXPECT_EQ(State().status.deferred(), 3u);
  EXPECT_EQ((storage::PruneLimits{}.Allowed(100)), 20u);
  EXPECT_EQ((storage::PruneLimits{}.Allowed(1000)), 100u);
  EXPECT_EQ((storage::PruneLimits{}.Allowed(100'000)), 1000u);
}

// Fault row 44: time going wrong can only delay.
TEST_F(PruneTest, AClockThatIsBehindDropsNothingAndSaysSo) {
  SomeDays(4);
  ApplyPolicy(1, 0, "");
  time_.Jump(-absl::Hours(72));
  const auto refused = Pruner().Apply({}, std::nullopt, "account:root", "by hand");
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_NE(State().status.refused().find("behind the newest snapshot"), std::string::npos)
      << State().status.refused();
  EXPECT_NE(Pruner().Plan({}, std::nullopt)->refused, "");
  time_.Advance(absl::Hours(72));
  EXPECT_EQ(Pruner().Apply({}, std::nullopt, "account:root", "by hand")->dropped, 3u);
  EXPECT_EQ(State().status.refused(), "");
  time_.Jump(-absl::Hours(20));  // Behind the round, not behind the snapshot.
  const auto again = Pruner().Apply({}, std::nullopt, "account:root", "by hand");
  EXPECT_NE(again.status().ToString().find("behind the last round"), std::string::npos)
      << again.status();
}

TEST_F(PruneTest, OneRoundAPeriodAndNoneWhileStopped) {
  SomeDays(3);
  ApplyPolicy(1, 0, "");
  const absl::Duration day = absl::Hours(24);
  ASSERT_TRUE(Pruner().ApplyIfDue({}, day)->has_value());
  EXPECT_FALSE(Pruner().ApplyIfDue({}, day)->has_value());
  time_.Advance(day);
  ASSERT_TRUE(In([](storage::Transaction& tx) { return tx.prunes().SetStopped("rebuilt"); }).ok());
  const auto stopped = Pruner().ApplyIfDue({}, day);
  EXPECT_NE(stopped.status().ToString().find("rebuilt"), std::string::npos) << stopped.status();
  ASSERT_TRUE(In([](storage::Transaction& tx) { return tx.prunes().SetStopped(""); }).ok());
  EXPECT_TRUE(Pruner().ApplyIfDue({}, day)->has_value());
  const std::vector<std::string> actions = AuditActions();
  EXPECT_EQ(std::count(actions.begin(), actions.end(), "repository.prune"), 2);
}

TEST_F(PruneTest, APhoneThatShrankIsNotPrunedUntilItIsAccepted) {
  SomeDays(3);
  const v1::Receipt small = BackUp(phone_, desk_, {{"full/00/one", "nothing left"}});
  time_.Advance(absl::Hours(24));
  ApplyPolicy(1, 0, "");
  const auto paused = Pruner().Apply({}, std::nullopt, "account:root", "by hand");
  EXPECT_EQ(paused->dropped, 0u);
  ASSERT_EQ(paused->pauses.size(), 1u);
  EXPECT_EQ(paused->pauses[0].snapshot_id(), SnapshotOf(small).bytes());
  EXPECT_EQ(State().status.paused_shrunk(), 1u);
  ASSERT_TRUE(In([&](storage::Transaction& tx) {
                return tx.prunes().Remember({.device = phone_,
                                             .lineage = 1,
                                             .accepted_sequence = small.sequence(),
                                             .settled_sequence = 0});
              }).ok());
  EXPECT_EQ(Pruner().Apply({}, std::nullopt, "account:root", "by hand")->dropped, 3u);
}

TEST_F(PruneTest, AChangedPolicyIsPlannedAsThePrunerWouldDoIt) {
  SomeDays(6);
  BackUp(bobs_phone_, desk_, files_);
  ApplyPolicy(5, 0, "");
  v1::Policy policy;
  policy.set_group("default");
  policy.mutable_retention()->set_keep_last(2);
  const auto plan = storage::PlanPolicyChange({}, catalog(), policy, time_.Now());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->policy_version(), 1u);
  EXPECT_EQ(plan->devices(), 2u);
  EXPECT_EQ(plan->snapshots(), 7u);
  EXPECT_EQ(plan->kept_now(), 6u);
  EXPECT_EQ(plan->kept_then(), 3u);
  EXPECT_EQ(plan->dropped_by_change(), 3u);
  EXPECT_DOUBLE_EQ(plan->dropped_percent(), 50.0);
  EXPECT_TRUE(plan->needs_approval());
  ASSERT_EQ(plan->lowered_size(), 1);
  EXPECT_EQ(plan->lowered(0), "keep_last from 5 to 2");
  ASSERT_EQ(plan->changed_size(), 1);
  ASSERT_EQ(plan->changed(0).changes_size(), 3);
  EXPECT_EQ(plan->changed(0).changes(0).reasons(0).text(), "full keep_last 5");
  ApplyPolicy(2, 0, "");
  EXPECT_EQ(Pruner().Apply({}, std::nullopt, "account:root", "by hand")->kept, plan->kept_then());

  policy.mutable_retention()->set_keep_last(4);
  const auto more = storage::PlanPolicyChange({}, catalog(), policy, time_.Now());
  EXPECT_FALSE(more->needs_approval());
  policy.set_group("sales");
  const auto other = storage::PlanPolicyChange({}, catalog(), policy, time_.Now());
  EXPECT_EQ(other->devices(), 0u);
  EXPECT_FALSE(other->needs_approval()) << "a group without snapshots has none to lose";
}

}  // namespace
}  // namespace mooring::testing
