// Garbage collection's side of the catalog: chunk and pack states, the order of
// commits, the state of collection, what sessions were told, and job leases.

#pragma once

#include <algorithm>

#include "storage/catalog/collection_store.h"
#include "tests/contract/storage/catalog/repository_contract.h"

namespace mooring::storage {

class CollectionContract : public RepositoryContract {
 protected:
  // In ascending order, which is that of their numbers once they are put.
  std::vector<ChunkId> NewIds(int count) {
    std::vector<ChunkId> ids = RepositoryContract::NewIds(count);
    std::sort(ids.begin(), ids.end());
    return ids;
  }
  std::vector<std::uint64_t> NumbersOf(const DomainId& domain, const std::vector<ChunkId>& ids) {
    std::vector<std::uint64_t> numbers;
    for (const auto& chunk : Locate({domain}, ids)) numbers.push_back(chunk->no);
    return numbers;
  }
  ChunkState StateOf(const DomainId& domain, const ChunkId& id) {
    return Locate({domain}, {id})[0]->state;
  }
  std::uint64_t Condemn(const std::vector<std::uint64_t>& numbers, std::uint64_t generation = 1) {
    return Must(In([&](Transaction& tx) -> absl::StatusOr<std::uint64_t> {
      MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
      return tx.chunks().Condemn(numbers, generation, now_);
    }));
  }
  std::uint64_t Doom(const std::vector<std::uint64_t>& numbers) {
    return Must(In([&](Transaction& tx) { return tx.chunks().Doom(numbers); }));
  }
  std::vector<PackRecord> DoomPacks(const std::vector<PackId>& packs) {
    return Must(In([&](Transaction& tx) -> absl::StatusOr<std::vector<PackRecord>> {
      std::vector<std::int64_t> numbers;
      for (const PackId& id : packs) {
        MOORING_ASSIGN_OR_RETURN(const auto pack, tx.packs().Get(id));
        if (pack) numbers.push_back(pack->no);
      }
      return tx.packs().DoomEmpty(numbers, 7, now_);
    }));
  }
  Present FindAndTouch(const PersonId& person, const DomainId& domain,
                       const std::vector<ChunkId>& ids) {
    Present present;
    const auto live =
        Must(In([&](Transaction& tx) { return tx.chunks().FindAndTouch(person, domain, ids); }));
    for (const auto& chunk : live) present.push_back(chunk.has_value());
    return present;
  }
  std::vector<ChunkRow> Rows(ChunkState state) {
    return Must(In([&](Transaction& tx) { return tx.chunks().ListNotLive(state, 0, 100); }));
  }
  CollectionState State() {
    return Must(In([](Transaction& tx) { return tx.collection().Get(); }));
  }
};

TEST_P(CollectionContract, ACondemnedChunkIsNotThereUntilItIsFound) {
  const std::vector<ChunkId> ids = NewIds(3);
  Put(anna_, annas_, ids);
  const auto numbers = NumbersOf(annas_, ids);
  EXPECT_EQ(Condemn({numbers[0], numbers[1], 123'456'789}, 5), 2u);
  EXPECT_EQ(Condemn({numbers[0]}, 6), 0u);  // It was condemned before.
  EXPECT_EQ(Has(anna_, annas_, ids), (Present{false, false, true}));
  const auto condemned = Rows(ChunkState::kCondemned);
  ASSERT_EQ(condemned.size(), 2u);
  EXPECT_EQ(condemned[0].no, numbers[0]);
  EXPECT_EQ(condemned[0].bytes, 100u);
  EXPECT_EQ(condemned[0].condemned_at, now_);
  EXPECT_EQ(condemned[0].condemned_generation, 5u);

  EXPECT_EQ(FindAndTouch(anna_, annas_, {ids[0], NewId<ChunkId>(), ids[2]}),
            (Present{true, false, true}));
  EXPECT_EQ(Has(anna_, annas_, ids), (Present{true, false, true}));
  ASSERT_EQ(Rows(ChunkState::kCondemned).size(), 1u);
}

TEST_P(CollectionContract, FindingResurrectsOnlyWhatThePersonMayKnow) {
  const std::vector<ChunkId> ids = NewIds(1);
  Put(anna_, shared_, ids);
  Condemn(NumbersOf(shared_, ids));
  EXPECT_EQ(FindAndTouch(bert_, shared_, ids), Present{false});
  EXPECT_EQ(StateOf(shared_, ids[0]), ChunkState::kCondemned);
  EXPECT_EQ(FindAndTouch(anna_, shared_, ids), Present{true});
  EXPECT_EQ(StateOf(shared_, ids[0]), ChunkState::kLive);
  EXPECT_EQ(In([&](Transaction& tx) { return tx.chunks().FindAndTouch(bert_, annas_, ids); })
                .status()
                .code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_P(CollectionContract, ADoomedOrLostChunkComesBackOnlyByAnUpload) {
  const std::vector<ChunkId> ids = NewIds(4);  // Live, condemned, doomed, lost.
  PackId first;
  Put(anna_, annas_, ids, &first);
  const auto numbers = NumbersOf(annas_, ids);
  Condemn({numbers[1], numbers[2]});
  EXPECT_EQ(Doom({numbers[0], numbers[2]}), 1u);
  MarkLost(annas_, ids[3]);
  EXPECT_EQ(Condemn({numbers[2], numbers[3]}), 0u);
  EXPECT_EQ(FindAndTouch(anna_, annas_, {ids[2], ids[3]}), (Present{false, false}));
  EXPECT_EQ(StateOf(annas_, ids[2]), ChunkState::kDoomed);
  const ChunkTotals totals = Must(In([](Transaction& tx) { return tx.chunks().Totals(); }));
  EXPECT_EQ(totals.live.count, 1u);
  EXPECT_EQ(totals.condemned.bytes, 100u);
  EXPECT_EQ(totals.doomed.count, 1u);
  EXPECT_EQ(totals.lost.bytes, 100u);

  PackId second;
  const InsertOutcome outcome = Put(anna_, annas_, ids, &second);
  EXPECT_EQ(outcome.taken_over, 3u);
  EXPECT_EQ(outcome.kept, 1u);
  EXPECT_EQ(Locate({annas_}, {ids[0]})[0]->pack, first);
  for (std::size_t i = 1; i < 4; ++i) {
    const ChunkLocation chunk = *Locate({annas_}, {ids[i]})[0];
    EXPECT_EQ(chunk.state, ChunkState::kLive);
    EXPECT_EQ(chunk.pack, second);
    EXPECT_EQ(chunk.no, numbers[i]);
  }
  const auto rows = Must(In([](Transaction& tx) { return tx.chunks().Scan(0, 100); }));
  for (const ChunkRow& row : rows) {
    EXPECT_FALSE(row.condemned_at.has_value());
    EXPECT_FALSE(row.condemned_generation.has_value());
  }
}

TEST_P(CollectionContract, AChunkThatHasMovedSinceItWasReadIsNotLost) {
  const std::vector<ChunkId> ids = NewIds(1);
  PackId old;
  Put(anna_, annas_, ids, &old);
  const auto numbers = NumbersOf(annas_, ids);
  MarkLost(annas_, ids[0]);
  Put(anna_, annas_, ids);
  Must(In([&](Transaction& tx) { return tx.chunks().MarkLost(old, numbers); }));
  EXPECT_EQ(StateOf(annas_, ids[0]), ChunkState::kLive);
}

TEST_P(CollectionContract, ALostChunkCanBeDoomedAndACondemnedOneLost) {
  const std::vector<ChunkId> ids = NewIds(2);
  Put(anna_, annas_, ids);
  const auto numbers = NumbersOf(annas_, ids);
  MarkLost(annas_, ids[0]);
  EXPECT_EQ(Doom({numbers[0]}), 1u);
  EXPECT_EQ(StateOf(annas_, ids[0]), ChunkState::kDoomed);
  Condemn({numbers[1]});
  MarkLost(annas_, ids[1]);
  EXPECT_EQ(StateOf(annas_, ids[1]), ChunkState::kLost);
  MarkLost(annas_, ids[0]);
  EXPECT_EQ(StateOf(annas_, ids[0]), ChunkState::kDoomed);
}

TEST_P(CollectionContract, RowsAreScannedByNumberInPages) {
  const std::vector<ChunkId> ids = NewIds(5);
  PackId pack;
  Put(anna_, annas_, ids, &pack);
  const auto numbers = NumbersOf(annas_, ids);
  const auto scan = [&](std::uint64_t after, int limit) {
    return Must(In([&](Transaction& tx) { return tx.chunks().Scan(after, limit); }));
  };
  const auto first = scan(0, 3);
  ASSERT_EQ(first.size(), 3u);
  const auto second = scan(first.back().no, 3);
  ASSERT_EQ(second.size(), 2u);
  EXPECT_LT(first[0].no, first[1].no);
  EXPECT_GT(second[0].no, first[2].no);
  EXPECT_EQ(first[0].state, ChunkState::kLive);
  EXPECT_EQ(first[0].pack_no, Must(In([&](Transaction& tx) { return tx.packs().Get(pack); }))->no);
  EXPECT_TRUE(scan(second.back().no, 3).empty());
  Condemn({numbers[1], numbers[4]});
  const auto list = [&](std::uint64_t after) {
    return Must(In([&](Transaction& tx) {
      return tx.chunks().ListNotLive(ChunkState::kCondemned, after, 1);
    }));
  };
  ASSERT_EQ(list(0).size(), 1u);
  EXPECT_EQ(list(0)[0].no, numbers[1]);
  EXPECT_EQ(list(numbers[1])[0].no, numbers[4]);
  EXPECT_TRUE(list(numbers[4]).empty());
}

TEST_P(CollectionContract, OnlyAPackWithoutUsefulRowsIsDoomed) {
  const std::vector<ChunkId> ids = NewIds(3);
  PackId pack, other;
  Put(anna_, annas_, ids, &pack);
  Put(anna_, annas_, {}, &other);
  const PackId staged = NewId<PackId>();
  Must(In([&](Transaction& tx) { return tx.packs().Stage(staged, std::nullopt, now_); }));
  const auto numbers = NumbersOf(annas_, ids);
  Condemn(numbers);
  Doom({numbers[0]});
  EXPECT_TRUE(DoomPacks({pack, staged}).empty());  // Condemned ones may live again.
  Doom({numbers[1], numbers[2]});
  const auto doomed = DoomPacks({pack, other, staged});
  EXPECT_EQ(doomed.size(), 2u);
  EXPECT_TRUE(DoomPacks({pack, other, staged}).empty());
  const auto read = *Must(In([&](Transaction& tx) { return tx.packs().Get(pack); }));
  EXPECT_EQ(read.state, PackState::kDoomed);
  EXPECT_EQ(read.doom_generation, 7u);
  EXPECT_EQ(read.doomed_at, now_);
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.packs().List(PackState::kDoomed); })).size(),
            2u);
}

TEST_P(CollectionContract, ALostRowKeepsItsPack) {
  const std::vector<ChunkId> ids = NewIds(1);
  PackId pack;
  Put(anna_, annas_, ids, &pack);
  MarkLost(annas_, ids[0]);
  EXPECT_TRUE(DoomPacks({pack}).empty());
}

TEST_P(CollectionContract, ADoomedPackGoesWithItsDoomedRows) {
  const std::vector<ChunkId> ids = NewIds(3);
  PackId pack, again;
  Put(anna_, shared_, ids, &pack);
  const auto numbers = NumbersOf(shared_, ids);
  const auto remove = [&] {
    return In([&](Transaction& tx) { return tx.packs().Delete(pack); }).code();
  };
  EXPECT_EQ(remove(), absl::StatusCode::kFailedPrecondition);
  Condemn(numbers);
  Doom(numbers);
  ASSERT_EQ(DoomPacks({pack}).size(), 1u);
  EXPECT_EQ(remove(), absl::StatusCode::kFailedPrecondition);
  Put(anna_, shared_, {ids[2]}, &again);  // Taken over: no longer the doomed pack's.
  const auto rows = Must(In([&](Transaction& tx) { return tx.chunks().DeleteRowsOfPack(pack); }));
  EXPECT_EQ(rows.deleted, 2u);
  EXPECT_EQ(rows.left, 0u);
  EXPECT_EQ(remove(), absl::StatusCode::kOk);
  EXPECT_EQ(remove(), absl::StatusCode::kOk);
  EXPECT_FALSE(Locate({shared_}, {ids[0]})[0].has_value());
  EXPECT_EQ(Has(anna_, shared_, ids), (Present{false, false, true}));

  // A number is never given again, and nobody owns what comes under a new one.
  Put(bert_, shared_, {ids[0]});
  EXPECT_GT(Locate({shared_}, {ids[0]})[0]->no, numbers[2]);
  EXPECT_EQ(Has(anna_, shared_, {ids[0]}), Present{false});
}

TEST_P(CollectionContract, RowsOfADoomedPackThatAreNotDoomedAreCounted) {
  const std::vector<ChunkId> ids = NewIds(2);
  PackId pack;
  Put(anna_, annas_, ids, &pack);
  const auto numbers = NumbersOf(annas_, ids);
  Condemn({numbers[0]});
  Doom({numbers[0]});
  const auto rows = Must(In([&](Transaction& tx) { return tx.chunks().DeleteRowsOfPack(pack); }));
  EXPECT_EQ(rows.deleted, 1u);
  EXPECT_EQ(rows.left, 1u);
}

TEST_P(CollectionContract, CompactionMovesLiveAndCondemnedRowsOfTheOldPackAlone) {
  const std::vector<ChunkId> ids = NewIds(5);
  PackId from;
  Put(anna_, annas_, ids, &from);
  const auto numbers = NumbersOf(annas_, ids);
  Condemn({numbers[1], numbers[2]});
  Doom({numbers[2]});
  MarkLost(annas_, ids[3]);
  MarkLost(annas_, ids[4]);
  PackId elsewhere;
  Put(anna_, annas_, {ids[4]}, &elsewhere);
  const PackId to = NewId<PackId>();
  Must(In([&](Transaction& tx) { return tx.packs().Stage(to, std::nullopt, now_); }));
  std::vector<MovedChunk> moves;
  for (const std::uint64_t no : numbers) moves.push_back({no, 5000 + no});
  EXPECT_EQ(Must(In([&](Transaction& tx) { return tx.chunks().Repoint(from, to, moves); })), 2u);
  const auto located = Locate({annas_}, ids);
  EXPECT_EQ(located[0]->pack, to);
  EXPECT_EQ(located[0]->offset, 5000 + numbers[0]);
  EXPECT_EQ(located[0]->state, ChunkState::kLive);
  EXPECT_EQ(located[1]->pack, to);
  EXPECT_EQ(located[1]->state, ChunkState::kCondemned);
  EXPECT_EQ(located[2]->pack, from);
  EXPECT_EQ(located[3]->pack, from);
  EXPECT_EQ(located[4]->pack, elsewhere);
  EXPECT_EQ(Rows(ChunkState::kCondemned)[0].condemned_at, now_);
  EXPECT_EQ(Must(In([&](Transaction& tx) { return tx.chunks().ListOfPack(to); })).size(), 2u);
  EXPECT_EQ(In([&](Transaction& tx) { return tx.chunks().Repoint(from, NewId<PackId>(), moves); })
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST_P(CollectionContract, ThousandsOfChunksGoThroughEveryState) {
  const std::vector<ChunkId> ids = NewIds(9000);
  PackId pack;
  Put(anna_, annas_, ids, &pack);
  const auto numbers = NumbersOf(annas_, ids);
  EXPECT_EQ(Condemn(numbers), 9000u);
  FindAndTouch(anna_, annas_, ids);
  EXPECT_EQ(Condemn(numbers), 9000u);
  EXPECT_EQ(Doom(numbers), 9000u);
  ASSERT_EQ(DoomPacks({pack}).size(), 1u);
  const auto rows = Must(In([&](Transaction& tx) { return tx.chunks().DeleteRowsOfPack(pack); }));
  EXPECT_EQ(rows.deleted, 9000u);
}

TEST_P(CollectionContract, PacksAreScannedByNumberAndKnowTheirOpenSession) {
  const SessionRecord session = NewAnnas();
  Open(session);
  const PackId of_session = NewId<PackId>();
  const PackId of_nobody = NewId<PackId>();
  const auto stage = [&](const PackId& id, const std::optional<SessionId>& owner) {
    return Must(In([&](Transaction& tx) { return tx.packs().Stage(id, owner, now_); }));
  };
  const std::int64_t first = stage(of_session, session.id);
  const std::int64_t second = stage(of_nobody, std::nullopt);
  const auto open = [&] {
    return Must(In([](Transaction& tx) { return tx.packs().ListOfOpenSessions(); }));
  };
  EXPECT_EQ(open(), std::vector<std::int64_t>{first});
  Abort(session.id);
  EXPECT_TRUE(open().empty());
  const auto scan = [&](std::int64_t after) {
    return Must(In([&](Transaction& tx) { return tx.packs().Scan(after, 1); }));
  };
  ASSERT_EQ(scan(0).size(), 1u);
  EXPECT_EQ(scan(0)[0].id, of_session);
  EXPECT_EQ(scan(first)[0].no, second);
  EXPECT_TRUE(scan(second).empty());
}

TEST_P(CollectionContract, IdsWithoutARowAreToldFromThoseWithOne) {
  const SnapshotRecord snapshot = AddSnapshot(NewAnnas());
  Must(In([&](Transaction& tx) { return tx.snapshots().MarkDeleted(snapshot.id, now_); }));
  const SnapshotId unknown[] = {NewId<SnapshotId>(), snapshot.id, NewId<SnapshotId>()};
  EXPECT_EQ(Must(In([&](Transaction& tx) { return tx.snapshots().ListUnknown(unknown); })),
            (std::vector<SnapshotId>{unknown[0], unknown[2]}));
  const PackId packs[] = {NewId<PackId>(), NewId<PackId>()};
  Must(In([&](Transaction& tx) { return tx.packs().Stage(packs[0], std::nullopt, now_); }));
  EXPECT_EQ(Must(In([&](Transaction& tx) { return tx.packs().ListUnknown(packs); })),
            std::vector<PackId>{packs[1]});
}

TEST_P(CollectionContract, SnapshotsAreNumberedInTheOrderOfTheirCommits) {
  const auto max = [&] {
    return Must(In([](Transaction& tx) { return tx.snapshots().MaxCommitNo(); }));
  };
  EXPECT_EQ(max(), 0u);
  std::vector<SnapshotRecord> snapshots;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    snapshots.push_back(AddSnapshot(NewAnnas(i)));
  }
  const std::uint64_t last = max();
  Must(In([&](Transaction& tx) { return tx.snapshots().MarkDeleted(snapshots[1].id, now_); }));
  const auto list = [&](std::uint64_t after, std::uint64_t to, bool with_deleted, int limit) {
    return Must(In(
        [&](Transaction& tx) { return tx.snapshots().ListRefs(after, to, with_deleted, limit); }));
  };
  const auto all = list(0, last, true, 10);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].id, snapshots[0].id);
  EXPECT_EQ(all[0].refs.size(), 20u);
  EXPECT_TRUE(all[1].is_deleted);
  EXPECT_LT(all[0].commit_no, all[1].commit_no);
  EXPECT_EQ(all[2].commit_no, last);
  EXPECT_EQ(list(0, last, false, 10).size(), 2u);
  EXPECT_EQ(list(0, last, false, 1).size(), 1u);
  EXPECT_EQ(list(all[0].commit_no, last - 1, true, 10).size(), 1u);
  EXPECT_EQ(max(), last);  // Deleted ones count.
}

TEST_P(CollectionContract, TheStateOfCollectionReadsBack) {
  const CollectionState fresh = State();
  EXPECT_EQ(fresh.epoch, 0u);
  EXPECT_FALSE(fresh.pending_epoch.has_value());
  EXPECT_FALSE(fresh.last_round_at.has_value());
  EXPECT_TRUE(fresh.stop_reason.empty());
  CollectionState changed;
  changed.epoch = 3;
  changed.pending_epoch = 4;
  changed.round_id = Blob(16);
  changed.generation = 9;
  changed.mark_no = 77;
  changed.last_round_at = now_;
  changed.stop_reason = "a chunk";
  changed.stopped_at = now_ + absl::Seconds(1);
  changed.recovery_reason = "an old catalog";
  changed.figures = Blob(30);
  const auto put = [&](const CollectionState& state) {
    Must(In([&](Transaction& tx) -> absl::Status {
      MOORING_RETURN_IF_ERROR(tx.collection().Get(RowLock::kExclusive).status());
      return tx.collection().Put(state);
    }));
  };
  put(changed);
  const CollectionState read = State();
  EXPECT_EQ(read.epoch, 3u);
  EXPECT_EQ(read.pending_epoch, 4u);
  EXPECT_EQ(read.round_id, changed.round_id);
  EXPECT_EQ(read.generation, 9u);
  EXPECT_EQ(read.mark_no, 77u);
  EXPECT_EQ(read.last_round_at, now_);
  EXPECT_EQ(read.stop_reason, "a chunk");
  EXPECT_EQ(read.stopped_at, now_ + absl::Seconds(1));
  EXPECT_EQ(read.recovery_reason, "an old catalog");
  EXPECT_EQ(read.figures, changed.figures);
  put(fresh);
  EXPECT_FALSE(State().pending_epoch.has_value());
  EXPECT_FALSE(State().stopped_at.has_value());
}

TEST_P(CollectionContract, TouchesOfOpenSessionsAreThereUntilTheyEnd) {
  const SessionRecord session = NewAnnas();
  Open(session);
  const Bytes refs[] = {Blob(10), Blob(11), Blob(12)};
  const auto add = [&](const Bytes& bytes) {
    return Must(In([&](Transaction& tx) { return tx.collection().AddTouch(session.id, bytes); }));
  };
  EXPECT_EQ(add(refs[0]), 1u);
  EXPECT_EQ(add(refs[1]), 2u);
  const auto open = [&](std::uint64_t after) {
    return Must(In([&](Transaction& tx) { return tx.collection().ListOpenTouches(after, 1); }));
  };
  ASSERT_EQ(open(0).size(), 1u);
  EXPECT_EQ(open(0)[0].session, session.id);
  EXPECT_EQ(open(0)[0].refs, refs[0]);
  EXPECT_EQ(open(open(0)[0].no)[0].refs, refs[1]);
  const auto touches =
      Must(In([&](Transaction& tx) { return tx.collection().ListTouches(session.id); }));
  ASSERT_EQ(touches.size(), 2u);
  Must(In([&](Transaction& tx) {
    return tx.collection().MergeTouches(session.id, {touches[0].no, touches[1].no}, refs[2]);
  }));
  ASSERT_EQ(open(0).size(), 1u);
  EXPECT_EQ(open(0)[0].refs, refs[2]);
  Abort(session.id);
  EXPECT_TRUE(open(0).empty());

  const SessionRecord expired = NewAnnas(2);
  Open(expired);
  Must(In([&](Transaction& tx) { return tx.collection().AddTouch(expired.id, refs[0]); }));
  Must(In([&](Transaction& tx) {
    return tx.sessions().ExpireLeases(now_ + absl::Hours(1), v1::CAUSE_AGENT_STOPPED, "");
  }));
  const SessionRecord committed = NewAnnas(3);
  Open(committed);
  Must(In([&](Transaction& tx) { return tx.collection().AddTouch(committed.id, refs[0]); }));
  Must(In([&](Transaction& tx) {
    return tx.sessions().Commit(committed.id, Blob(16), v1::Receipt(), 10, now_);
  }));
  for (const SessionId& id : {session.id, expired.id, committed.id}) {
    EXPECT_TRUE(Must(In([&](Transaction& tx) { return tx.collection().ListTouches(id); })).empty());
  }
}

TEST_P(CollectionContract, OneServerHoldsTheLeaseOfAJob) {
  const auto acquire = [&](const std::string& holder, absl::Duration length) {
    return Must(
        In([&](Transaction& tx) { return tx.collection().AcquireLease("gc", holder, length); }));
  };
  const auto get = [&] {
    return Must(In([](Transaction& tx) { return tx.collection().GetLease("gc"); }));
  };
  EXPECT_FALSE(get().has_value());
  EXPECT_TRUE(acquire("a", absl::Hours(1)));
  EXPECT_FALSE(acquire("b", absl::Hours(1)));
  EXPECT_TRUE(acquire("a", absl::Hours(2)));
  ASSERT_TRUE(get().has_value());
  EXPECT_EQ(get()->holder, "a");
  const absl::Time now = Must(In([](Transaction& tx) { return tx.collection().DatabaseNow(); }));
  EXPECT_GT(get()->until, now + absl::Minutes(90));
  Must(In([](Transaction& tx) { return tx.collection().ReleaseLease("gc", "b"); }));
  EXPECT_FALSE(acquire("b", absl::Hours(1)));
  Must(In([](Transaction& tx) { return tx.collection().ReleaseLease("gc", "a"); }));
  EXPECT_TRUE(acquire("b", absl::ZeroDuration()));
  EXPECT_FALSE(get().has_value());
  EXPECT_TRUE(acquire("a", absl::Hours(1)));
  Must(In(
      [](Transaction& tx) { return tx.collection().AcquireLease("scrub", "b", absl::Hours(1)); }));
}

TEST_P(CollectionContract, FindsUploadsAndTheCollectorOnTheSameChunksAllEnd) {
  const std::vector<ChunkId> ids = NewIds(300);
  const std::vector<ChunkId> reversed(ids.rbegin(), ids.rend());
  Put(anna_, annas_, ids);
  std::vector<std::uint64_t> numbers = NumbersOf(annas_, ids);
  std::reverse(numbers.begin(), numbers.end());
  {
    std::jthread finder([&] {
      for (int i = 0; i < 20; ++i) FindAndTouch(anna_, annas_, i % 2 == 0 ? ids : reversed);
    });
    std::jthread collector([&] {
      for (int i = 0; i < 20; ++i) Condemn(numbers);
    });
    for (int i = 0; i < 10; ++i) Put(anna_, annas_, reversed);
  }
  FindAndTouch(anna_, annas_, ids);
  EXPECT_EQ(Has(anna_, annas_, ids), Present(ids.size(), true));
}

}  // namespace mooring::storage
