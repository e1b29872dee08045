// Holds, pins, and what the pruner remembers.

#pragma once

#include <atomic>
#include <thread>

#include "storage/catalog/hold_store.h"
#include "storage/catalog/prune_store.h"
#include "storage/catalog/request_store.h"
#include "tests/contract/storage/catalog/catalog_contract.h"

namespace mooring::storage {

class RetentionContract : public CatalogContract {
 protected:
  void SetUp() override {
    CatalogContract::SetUp();
    iris_ = AddPerson("iris");
    desk_ = AddAgent("desk");
    phone_ = AddDevice("S1", desk_);
    Assign(phone_, iris_);
  }

  SnapshotRecord Take(std::uint64_t sequence) {
    return AddSnapshot(NewSession(phone_, iris_, desk_, sequence));
  }
  HoldRecord NewHold(std::optional<DeviceId> device, std::optional<PersonId> person) {
    HoldRecord record;
    record.id = NewId<HoldId>();
    record.device = device;
    record.person = person;
    record.reason = "case 14";
    record.placed_by = "ada";
    record.placed_at = now_;
    return record;
  }
  absl::StatusOr<std::uint64_t> Place(const HoldRecord& record) {
    return In([&](Transaction& tx) { return tx.holds().Place(record); });
  }
  std::size_t HoldsOf(const SnapshotId& snapshot) {
    return Must(In([&](Transaction& tx) { return tx.holds().ListForSnapshot(snapshot); })).size();
  }
  PinRecord NewPin(const SnapshotId& snapshot) {
    return {.snapshot = snapshot,
            .pinned_by = "ada",
            .pinned_at = now_,
            .until = std::nullopt,
            .reason = "before the update"};
  }

  PersonId iris_;
  AgentId desk_;
  DeviceId phone_;
};

TEST_P(RetentionContract, AHoldOnADeviceCoversItsSnapshotsUntilItIsReleased) {
  const SnapshotRecord before = Take(1);
  const DeviceId other = AddDevice("S2", desk_);
  const HoldRecord hold = NewHold(phone_, std::nullopt);
  EXPECT_EQ(Must(Place(hold)), 1u);
  const SnapshotRecord after = Take(2);
  EXPECT_EQ(HoldsOf(before.id), 1u);
  EXPECT_EQ(HoldsOf(after.id), 1u);
  const auto of_device =
      Must(In([&](Transaction& tx) { return tx.holds().ListForDevice(phone_); }));
  ASSERT_EQ(of_device.size(), 1u);
  EXPECT_EQ(of_device[0].serial, "S1");
  EXPECT_EQ(of_device[0].person_handle, "");
  EXPECT_EQ(of_device[0].snapshot_count, 2u);
  EXPECT_EQ(of_device[0].hold.reason, "case 14");
  EXPECT_TRUE(Must(In([&](Transaction& tx) { return tx.holds().ListForDevice(other); })).empty());

  Must(In([&](Transaction& tx) { return tx.holds().Release(hold.id, "bert", now_); }));
  EXPECT_EQ(HoldsOf(before.id), 0u);
  EXPECT_TRUE(Must(In([](Transaction& tx) { return tx.holds().List(false); })).empty());
  const auto all = Must(In([](Transaction& tx) { return tx.holds().List(true); }));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].hold.released_by, "bert");
  EXPECT_EQ(all[0].hold.released_at, now_);
  EXPECT_EQ(In([&](Transaction& tx) { return tx.holds().Release(hold.id, "bert", now_); }).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(
      In([&](Transaction& tx) { return tx.holds().Release(NewId<HoldId>(), "bert", now_); }).code(),
      absl::StatusCode::kNotFound);
}

TEST_P(RetentionContract, AHoldOnAPersonFollowsThemToAnotherPhone) {
  const SnapshotRecord first = Take(1);
  const DeviceId other = AddDevice("S2", desk_);
  Assign(other, iris_);
  const SnapshotRecord second = AddSnapshot(NewSession(other, iris_, desk_));
  EXPECT_EQ(Must(Place(NewHold(std::nullopt, iris_))), 2u);
  EXPECT_EQ(HoldsOf(first.id), 1u);
  EXPECT_EQ(HoldsOf(second.id), 1u);
  const auto holds = Must(In([&](Transaction& tx) { return tx.holds().ListForDevice(other); }));
  ASSERT_EQ(holds.size(), 1u);
  EXPECT_EQ(holds[0].person_handle, "iris");
}

TEST_P(RetentionContract, AHoldIsOfSomethingThatIsThere) {
  EXPECT_EQ(Place(NewHold(NewId<DeviceId>(), std::nullopt)).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(Place(NewHold(std::nullopt, NewId<PersonId>())).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_P(RetentionContract, AHoldCountsNoSnapshotWhoseDeletionIsDecided) {
  const SnapshotRecord kept = Take(1);
  const SnapshotRecord going = Take(2);
  const SnapshotRecord gone = Take(3);
  Must(In([&](Transaction& tx) { return tx.holds().MarkDecided(going.id, now_); }));
  Must(In([&](Transaction& tx) { return tx.snapshots().MarkDeleted(gone.id, now_); }));
  EXPECT_EQ(Must(Place(NewHold(phone_, std::nullopt))), 1u);
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.holds().List(false); }))[0].snapshot_count, 1u);
}

TEST_P(RetentionContract, APinIsReplacedAndRemoved) {
  const SnapshotRecord snapshot = Take(1);
  PinRecord pin = NewPin(snapshot.id);
  Must(In([&](Transaction& tx) { return tx.holds().Pin(pin); }));
  pin.until = now_ + absl::Hours(24);
  pin.pinned_by = "bert";
  Must(In([&](Transaction& tx) { return tx.holds().Pin(pin); }));
  const auto read = Must(In([&](Transaction& tx) { return tx.holds().GetPin(snapshot.id); }));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->until, pin.until);
  EXPECT_EQ(read->pinned_by, "bert");
  EXPECT_EQ(read->reason, "before the update");
  EXPECT_EQ(Must(In([&](Transaction& tx) { return tx.holds().ListPins(phone_); })).size(), 1u);
  EXPECT_TRUE(Must(In([&](Transaction& tx) { return tx.holds().Unpin(snapshot.id); })));
  EXPECT_FALSE(Must(In([&](Transaction& tx) { return tx.holds().Unpin(snapshot.id); })));
}

TEST_P(RetentionContract, WhatIsGoneOrGoingCannotBePinned) {
  const SnapshotRecord going = Take(1);
  const SnapshotRecord gone = Take(2);
  Must(In([&](Transaction& tx) { return tx.holds().MarkDecided(going.id, now_); }));
  Must(In([&](Transaction& tx) { return tx.snapshots().MarkDeleted(gone.id, now_); }));
  const auto pin = [&](const SnapshotId& id) {
    return In([&](Transaction& tx) { return tx.holds().Pin(NewPin(id)); }).code();
  };
  EXPECT_EQ(pin(going.id), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pin(gone.id), absl::StatusCode::kNotFound);
  EXPECT_EQ(pin(NewId<SnapshotId>()), absl::StatusCode::kNotFound);
}

TEST_P(RetentionContract, ADecisionStandsUntilTheDeletionIsDone) {
  const SnapshotRecord snapshot = Take(1);
  const auto decided = [&] {
    return Must(In([](Transaction& tx) { return tx.holds().ListDecided(10); }));
  };
  EXPECT_TRUE(decided().empty());
  Must(In([&](Transaction& tx) { return tx.holds().MarkDecided(snapshot.id, now_); }));
  Must(In(
      [&](Transaction& tx) { return tx.holds().MarkDecided(snapshot.id, now_ + absl::Hours(1)); }));
  EXPECT_EQ(decided(), std::vector<SnapshotId>{snapshot.id});
  const auto view = Must(In([&](Transaction& tx) { return tx.snapshots().Get(snapshot.id); }));
  EXPECT_EQ(view->snapshot.deletion_decided_at, now_);
  Must(In([&](Transaction& tx) { return tx.snapshots().MarkDeleted(snapshot.id, now_); }));
  EXPECT_TRUE(decided().empty());
  EXPECT_EQ(
      In([&](Transaction& tx) { return tx.holds().MarkDecided(NewId<SnapshotId>(), now_); }).code(),
      absl::StatusCode::kNotFound);
}

// Fault: a hold at the instant of a deletion. Whoever has the row first decides.
TEST_P(RetentionContract, AHoldWaitsForADecisionThatHasTheRow) {
  const SnapshotRecord snapshot = Take(1);
  std::atomic<bool> placed = false;
  std::jthread holder;
  std::uint64_t covered = 99;
  Must(In([&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.snapshots().Get(snapshot.id, RowLock::kExclusive).status());
    if (!holder.joinable()) {
      holder = std::jthread([&] {
        covered = Must(Place(NewHold(phone_, std::nullopt)));
        placed = true;
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_FALSE(placed) << "the row is taken";
    return tx.holds().MarkDecided(snapshot.id, now_);
  }));
  holder.join();
  EXPECT_EQ(covered, 0u) << "the hold found the deletion decided";
}

TEST_P(RetentionContract, ThePrunersRoundsNeverGoBackInTime) {
  const auto get = [&] { return Must(In([](Transaction& tx) { return tx.prunes().Get(); })); };
  EXPECT_FALSE(get().last_run_at);
  EXPECT_EQ(get().stopped, "");
  Must(In([&](Transaction& tx) { return tx.prunes().RecordRun(now_); }));
  Must(In([&](Transaction& tx) { return tx.prunes().RecordRun(now_ - absl::Hours(1)); }));
  EXPECT_EQ(get().last_run_at, now_);
  v1::PruneStatus status;
  status.set_dropped(7);
  Must(In([&](Transaction& tx) { return tx.prunes().RecordStatus(status); }));
  Must(In([](Transaction& tx) { return tx.prunes().SetStopped("rebuilt"); }));
  EXPECT_EQ(get().status.dropped(), 7u);
  EXPECT_EQ(get().stopped, "rebuilt");
  Must(In([](Transaction& tx) { return tx.prunes().SetStopped(""); }));
  EXPECT_EQ(get().stopped, "");
}

TEST_P(RetentionContract, WhatIsRememberedOfALineageOnlyGrows) {
  const auto remember = [&](std::uint32_t lineage, std::uint64_t accepted, std::uint64_t settled) {
    Must(In([&](Transaction& tx) {
      return tx.prunes().Remember({.device = phone_,
                                   .lineage = lineage,
                                   .accepted_sequence = accepted,
                                   .settled_sequence = settled});
    }));
  };
  remember(1, 4, 0);
  remember(1, 0, 6);
  remember(1, 3, 5);
  remember(2, 1, 1);
  const auto memory = Must(In([&](Transaction& tx) { return tx.prunes().ListMemory(phone_); }));
  ASSERT_EQ(memory.size(), 2u);
  EXPECT_EQ(memory[0].lineage, 1u);
  EXPECT_EQ(memory[0].accepted_sequence, 4u);
  EXPECT_EQ(memory[0].settled_sequence, 6u);
  EXPECT_EQ(memory[1].accepted_sequence, 1u);
}

TEST_P(RetentionContract, TheNewestSnapshotAndAGroupsSnapshotsCountOnlyWhatIsThere) {
  const auto newest = [&] {
    return Must(In([](Transaction& tx) { return tx.prunes().NewestSnapshotAt(); }));
  };
  const auto count = [&](const std::string& group) {
    return Must(In([&](Transaction& tx) { return tx.prunes().CountSnapshotsOfGroup(group); }));
  };
  EXPECT_FALSE(newest());
  EXPECT_EQ(count("default"), 0u);
  Take(1);
  const SnapshotRecord later =
      AddSnapshot(NewSession(phone_, iris_, desk_, 2),
                  [this](SnapshotRecord& record) { record.created_at = now_ + absl::Hours(1); });
  EXPECT_EQ(newest(), now_ + absl::Hours(1));
  EXPECT_EQ(count("default"), 2u);
  EXPECT_EQ(count("sales"), 0u);
  Must(In([&](Transaction& tx) { return tx.snapshots().MarkDeleted(later.id, now_); }));
  EXPECT_EQ(newest(), now_);
  EXPECT_EQ(count("default"), 1u);
}

TEST_P(RetentionContract, ARequestCarriesItsHoldOrItsPolicy) {
  RequestRecord record;
  record.id = NewId<RequestId>();
  record.kind = v1::REQUEST_KIND_LOWER_RETENTION;
  record.requested_by = "anna";
  record.requested_at = now_;
  record.expires_at = now_ + absl::Hours(24);
  record.hold = NewId<HoldId>();
  record.policy.emplace().set_version(3);
  record.policy->mutable_policy()->set_group("sales");
  Must(In([&](Transaction& tx) { return tx.requests().Create(record); }));
  const auto read = Must(In([&](Transaction& tx) { return tx.requests().Get(record.id); }));
  ASSERT_TRUE(read && read->hold && read->policy);
  EXPECT_EQ(*read->hold, *record.hold);
  EXPECT_EQ(read->policy->version(), 3u);
  EXPECT_EQ(read->policy->policy().group(), "sales");
  record.id = NewId<RequestId>();
  record.hold.reset();
  record.policy.reset();
  Must(In([&](Transaction& tx) { return tx.requests().Create(record); }));
  const auto plain = Must(In([&](Transaction& tx) { return tx.requests().Get(record.id); }));
  EXPECT_FALSE(plain->hold);
  EXPECT_FALSE(plain->policy);
}

}  // namespace mooring::storage
