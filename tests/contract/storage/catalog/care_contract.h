// Scrubbing, healing, damage, findings, replication and drills.

#pragma once

#include "storage/catalog/care_store.h"
#include "storage/catalog/drill_store.h"
#include "tests/contract/storage/catalog/repository_contract.h"

namespace mooring::storage {

class CareContract : public RepositoryContract {
 protected:
  std::vector<PackId> NextToScrub(absl::Time before, int limit = 100) {
    std::vector<PackId> ids;
    for (const PackRecord& pack :
         Must(In([&](Transaction& tx) { return tx.care().NextToScrub(before, limit); }))) {
      ids.push_back(pack.id);
    }
    return ids;
  }
  void MarkScrubbed(const PackId& pack, std::optional<absl::Time> at) {
    Must(In([&](Transaction& tx) { return tx.care().MarkScrubbed(pack, at); }));
  }
  std::vector<ChunkLocation> ChunksOf(const PackId& pack) {
    return Must(In([&](Transaction& tx) { return tx.care().ChunksOfPack(pack); }));
  }
  CareTotals Totals() {
    return Must(In([](Transaction& tx) { return tx.care().Totals(); }));
  }
  std::vector<std::uint64_t> NumbersOf(const std::vector<ChunkLocation>& chunks) {
    std::vector<std::uint64_t> numbers;
    for (const ChunkLocation& chunk : chunks) numbers.push_back(chunk.no);
    return numbers;
  }
};

TEST_P(CareContract, NewPacksAreScrubbedFirstThenTheLongestAgo) {
  PackId first, second, third;
  Put(anna_, annas_, NewIds(1), &first);
  Put(anna_, annas_, NewIds(1), &second);
  Put(anna_, annas_, NewIds(1), &third);
  Must(In([&](Transaction& tx) { return tx.packs().Stage(NewId<PackId>(), {}, now_); }));
  EXPECT_EQ(NextToScrub(now_), (std::vector<PackId>{third, second, first}));
  EXPECT_EQ(NextToScrub(now_, 1), (std::vector<PackId>{third}));
  MarkScrubbed(third, now_ - absl::Hours(1));
  MarkScrubbed(second, now_ - absl::Hours(2));
  EXPECT_EQ(NextToScrub(now_), (std::vector<PackId>{first}));
  MarkScrubbed(first, now_);
  EXPECT_EQ(NextToScrub(now_), (std::vector<PackId>{second, third}));
  EXPECT_EQ(NextToScrub(now_ - absl::Minutes(90)), (std::vector<PackId>{second}));
  const CareTotals totals = Totals();
  EXPECT_EQ(totals.packs, 3u);
  EXPECT_EQ(totals.packs_unscrubbed, 0u);
  EXPECT_EQ(totals.oldest_scrub_at, now_ - absl::Hours(2));
  MarkScrubbed(first, std::nullopt);
  EXPECT_EQ(NextToScrub(now_ - absl::Hours(9)), (std::vector<PackId>{first}));
  EXPECT_EQ(Totals().packs_unscrubbed, 1u);
}

TEST_P(CareContract, OnlyChunksThatAreStillThereBecomeLost) {
  PackId pack, other;
  const std::vector<ChunkId> ids = NewIds(3);
  Put(anna_, annas_, ids, &pack);
  Put(anna_, annas_, NewIds(1), &other);
  const auto chunks = ChunksOf(pack);
  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_LT(chunks[0].offset, chunks[1].offset);
  std::vector<std::uint64_t> numbers = {chunks[0].no, chunks[2].no, ChunksOf(other)[0].no};
  const auto mark = [&] {
    return Must(In([&](Transaction& tx) { return tx.care().MarkLost(pack, numbers); }));
  };
  EXPECT_EQ(mark(), 2u);
  EXPECT_EQ(mark(), 0u);
  EXPECT_EQ(Has(anna_, annas_, ids), (Present{false, true, false}));
  const auto lost =
      Must(In([&](Transaction& tx) { return tx.care().LostChunks(chunks[0].no, 10); }));
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].id, chunks[2].id);
  const LostTotals totals = Must(In([](Transaction& tx) { return tx.care().CountLost(); }));
  EXPECT_EQ(totals.count, 2u);
  EXPECT_EQ(totals.sum, chunks[0].no + chunks[2].no);
  EXPECT_EQ(Totals().lost_chunks, 2u);
}

TEST_P(CareContract, ChunksMoveOnlyFromWhereTheyWereThought) {
  PackId from, to, elsewhere;
  const std::vector<ChunkId> ids = NewIds(3);
  Put(anna_, annas_, ids, &from);
  Put(anna_, annas_, NewIds(1), &to);
  Put(anna_, annas_, NewIds(1), &elsewhere);
  const auto chunks = ChunksOf(from);
  const std::vector<std::uint64_t> one = {chunks[0].no};
  Must(In([&](Transaction& tx) { return tx.care().MarkLost(from, one).status(); }));
  const std::vector<NewPlace> moves = {
      {chunks[0].no, 700}, {chunks[1].no, 900}, {ChunksOf(elsewhere)[0].no, 100}};
  const MoveOutcome moved =
      Must(In([&](Transaction& tx) { return tx.care().Move(from, to, moves); }));
  EXPECT_EQ(moved.moved, 2u);
  EXPECT_EQ(moved.healed, 1u);
  EXPECT_EQ(Has(anna_, annas_, ids), (Present{true, true, true}));
  const auto now = Locate({annas_}, ids);
  EXPECT_EQ(now[0]->pack, to);
  EXPECT_EQ(now[0]->offset, 700u);
  EXPECT_EQ(now[0]->no, chunks[0].no);
  EXPECT_EQ(now[1]->pack, to);
  EXPECT_EQ(now[2]->pack, from);
  EXPECT_EQ(ChunksOf(elsewhere).size(), 1u);
  EXPECT_EQ(In([&](Transaction& tx) { return tx.care().Move(from, NewId<PackId>(), moves); })
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST_P(CareContract, DamageIsCountedOnSnapshotsThatAreNotDeleted) {
  const SnapshotRecord snapshot = AddSnapshot(NewAnnas());
  const auto read = [&] {
    return Must(In([](Transaction& tx) { return tx.care().SnapshotsAfter(SnapshotId(), 10); }));
  };
  ASSERT_EQ(read().size(), 1u);
  EXPECT_EQ(read()[0].snapshot, snapshot.id);
  Must(In([&](Transaction& tx) { return tx.care().SetDamaged(snapshot.id, 4); }));
  EXPECT_EQ(read()[0].damaged_chunks, 4u);
  EXPECT_EQ(Totals().damaged_snapshots, 1u);
  EXPECT_TRUE(
      Must(In([&](Transaction& tx) { return tx.care().SnapshotsAfter(snapshot.id, 10); })).empty());
  Must(In([&](Transaction& tx) { return tx.snapshots().MarkDeleted(snapshot.id, now_); }));
  EXPECT_TRUE(read().empty());
  EXPECT_EQ(Totals().damaged_snapshots, 0u);
}

TEST_P(CareContract, PacksOutsideTheReplicaAreKnown) {
  PackId first, second;
  Put(anna_, annas_, NewIds(1), &first);
  Put(anna_, annas_, NewIds(1), &second);
  const auto next = [&](std::int64_t after) {
    return Must(In([&](Transaction& tx) { return tx.care().NextToReplicate(after, 10); }));
  };
  ASSERT_EQ(next(0).size(), 2u);
  EXPECT_EQ(next(0)[0].id, first);
  EXPECT_EQ(next(next(0)[0].no)[0].id, second);
  EXPECT_EQ(Totals().bytes_unreplicated, 2000u);
  Must(In([&](Transaction& tx) { return tx.care().MarkReplicated(first, now_); }));
  ASSERT_EQ(next(0).size(), 1u);
  EXPECT_EQ(Totals().packs_unreplicated, 1u);
  Must(In([&](Transaction& tx) { return tx.care().MarkReplicated(first, std::nullopt); }));
  EXPECT_EQ(next(0).size(), 2u);
  Must(In([&](Transaction& tx) { return tx.care().MarkReplicated(NewId<PackId>(), now_); }));
}

TEST_P(CareContract, AFindingIsOpenOnceUntilItIsResolved) {
  const auto report = [&](std::string_view message, absl::Time at) {
    Must(In([&](Transaction& tx) {
      return tx.care().Report(FindingKind::kPack, "packs/aa/aa", message, at);
    }));
  };
  const auto list = [&](bool with_resolved) {
    return Must(In([&](Transaction& tx) { return tx.care().Findings(with_resolved, 10); }));
  };
  report("missing", now_);
  report("too short", now_ + absl::Hours(1));
  ASSERT_EQ(list(false).size(), 1u);
  EXPECT_EQ(list(false)[0].message, "too short");
  EXPECT_EQ(list(false)[0].found_at, now_);
  EXPECT_EQ(Totals().open_findings, 1u);
  Must(In([&](Transaction& tx) {
    return tx.care().Resolve(FindingKind::kPackFooter, "packs/aa/aa", "no", now_);
  }));
  EXPECT_EQ(list(false).size(), 1u);
  Must(In([&](Transaction& tx) {
    return tx.care().Resolve(FindingKind::kPack, "packs/aa/aa", "healed", now_);
  }));
  EXPECT_TRUE(list(false).empty());
  ASSERT_EQ(list(true).size(), 1u);
  EXPECT_EQ(list(true)[0].resolution, "healed");
  EXPECT_EQ(list(true)[0].resolved_at, now_);
  report("again", now_);
  EXPECT_EQ(list(true).size(), 2u);
}

TEST_P(CareContract, TheStateIsKept) {
  const auto read = [&] { return Must(In([](Transaction& tx) { return tx.care().State(); })); };
  EXPECT_FALSE(read().rebuilt_at.has_value());
  EXPECT_FALSE(read().holds_unconfirmed());
  CareState state;
  state.scrub_pass_at = now_;
  state.rebuilt_at = now_;
  Must(In([&](Transaction& tx) { return tx.care().SetState(state); }));
  EXPECT_EQ(read().scrub_pass_at, now_);
  EXPECT_FALSE(read().exported_at.has_value());
  EXPECT_TRUE(read().holds_unconfirmed());
  state.holds_confirmed_at = now_ + absl::Hours(1);
  Must(In([&](Transaction& tx) { return tx.care().SetState(state); }));
  EXPECT_FALSE(read().holds_unconfirmed());
}

TEST_P(CareContract, DrillsAreEvidenceAndDecideWhoIsNext) {
  const SnapshotRecord drilled = AddSnapshot(NewAnnas());
  DrillRecord drill;
  drill.id = NewId<DrillId>();
  drill.snapshot = drilled.id;
  drill.device = phone_;
  drill.requested_by = "account:eve";
  drill.started_at = now_;
  drill.finished_at = now_ + absl::Seconds(5);
  drill.result = DrillResult::kFailed;
  drill.file_count = 10;
  drill.bytes = 1000;
  drill.chunk_count = 3;
  drill.damaged_count = 1;
  drill.message = "one file";
  Must(In([&](Transaction& tx) { return tx.drills().Add(drill); }));
  Must(In([&](Transaction& tx) { return tx.drills().Add(drill); }));  // A retry.
  const auto list = Must(In([&](Transaction& tx) { return tx.drills().List(std::nullopt, 10); }));
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].drill.snapshot, drilled.id);
  EXPECT_EQ(list[0].drill.result, DrillResult::kFailed);
  EXPECT_EQ(list[0].drill.finished_at, drill.finished_at);
  EXPECT_EQ(list[0].drill.damaged_count, 1u);
  EXPECT_EQ(list[0].serial, "S1");
  EXPECT_TRUE(
      Must(In([&](Transaction& tx) { return tx.drills().List(NewId<DeviceId>(), 10); })).empty());
  const SnapshotRecord fresh = AddSnapshot(NewAnnas(2));
  const auto next = [&](const std::optional<DeviceId>& device) {
    return Must(In([&](Transaction& tx) { return tx.drills().Candidates(device, 10); }));
  };
  EXPECT_EQ(next(std::nullopt), (std::vector<SnapshotId>{fresh.id, drilled.id}));
  EXPECT_TRUE(next(NewId<DeviceId>()).empty());
  Must(In([&](Transaction& tx) { return tx.snapshots().MarkDeleted(fresh.id, now_); }));
  EXPECT_EQ(next(phone_), (std::vector<SnapshotId>{drilled.id}));
}

}  // namespace mooring::storage
