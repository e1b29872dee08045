// Scrub finds whatever a disk can do to a pack or a record, and heals it or says
// so on every snapshot that it touches.

#include "tests/integration/storage/care/care_fixture.h"

namespace mooring::testing {
namespace {

using storage::FindingKind;

class ScrubTest : public CareTest {
 protected:
  void SetUp() override {
    CareTest::SetUp();
    if (HasFatalFailure()) return;
    receipt_ = BackUp(phone_, desk_, files_);
    const std::vector<std::string> packs = Keys("packs/");
    ASSERT_EQ(packs.size(), 1u);
    pack_ = packs.front();
  }

  // Nothing is wrong, and scrub has read all of it.
  void ExpectAllGood(bool with_replica = false) {
    const storage::ScrubProgress progress = Scrub(with_replica);
    EXPECT_TRUE(progress.is_complete);
    EXPECT_EQ(progress.packs_bad, 0u);
    EXPECT_EQ(progress.records_bad, 0u);
    EXPECT_GT(progress.chunks, 0u);
    EXPECT_EQ(Totals().lost_chunks, 0u);
    EXPECT_TRUE(Findings().empty());
    ExpectHolds(receipt_, files_);
  }

  // Chunks are lost, shown, and healed by the next backup of the device.
  void ExpectLostAndHealedByABackup() {
    const storage::ScrubProgress progress = Scrub();
    EXPECT_EQ(progress.packs_bad, 1u);
    EXPECT_GT(progress.chunks_lost, 0u);
    EXPECT_EQ(DamageOf(receipt_), progress.chunks_lost);
    EXPECT_EQ(Totals().damaged_snapshots, 1u);
    EXPECT_FALSE(Findings().empty());
    const v1::Receipt healing = BackUp(phone_, desk_, files_);
    EXPECT_GT(healing.stored_bytes(), 0u);
    const auto damage = storage::RefreshDamage({}, catalog());
    ASSERT_TRUE(damage.ok()) << damage.status();
    EXPECT_EQ(damage->damaged_snapshots, 0u);
    EXPECT_EQ(DamageOf(receipt_), 0u);
    ExpectHolds(receipt_, files_);
    ExpectHolds(healing, files_);
    Scrub();
    ExpectAllGood();
  }

  // The replica has what is needed: nobody ever sees damage.
  void ExpectHealedFromTheReplica() {
    const storage::ScrubProgress progress = Scrub(true);
    EXPECT_EQ(progress.packs_bad, 1u);
    EXPECT_EQ(progress.chunks_lost, 0u);
    EXPECT_GT(progress.chunks_healed, 0u);
    EXPECT_EQ(DamageOf(receipt_), 0u);
    ExpectHolds(receipt_, files_);
    // The bad pack is still there, as evidence.
    EXPECT_TRUE(Findings().empty());
    EXPECT_FALSE(Findings(true).empty());
    ExpectAllGood(true);
  }

  // Its own good chunks are written to a new pack.
  void ExpectMovedAway() {
    const storage::ScrubProgress progress = Scrub();
    EXPECT_EQ(progress.packs_bad, 1u);
    EXPECT_EQ(progress.chunks_lost, 0u);
    EXPECT_GT(progress.chunks_healed, 0u);
    EXPECT_FALSE(Findings(true).empty());
    ExpectAllGood();
  }

  v1::Receipt receipt_;
  std::string pack_;
};

TEST_F(ScrubTest, WhatIsGoodStaysAsItIs) {
  ExpectAllGood();
  EXPECT_EQ(Keys("packs/").size(), 1u);
  // Not due again for a month.
  EXPECT_EQ(Scrub(false, false).packs_done, 0u);
  time_.Advance(absl::Hours(24 * 30));
  EXPECT_EQ(Scrub(false, false).packs_done, 1u);
}

TEST_F(ScrubTest, AFlippedBit) {
  ASSERT_TRUE(memory_.FlipByte(pack_, 70'000));
  ExpectLostAndHealedByABackup();
}

TEST_F(ScrubTest, AFlippedBitAndAReplica) {
  Sync();
  ASSERT_TRUE(memory_.FlipByte(pack_, 70'000));
  ExpectHealedFromTheReplica();
}

TEST_F(ScrubTest, ATruncatedPack) {
  ASSERT_TRUE(memory_.Truncate(pack_, 70'000));
  ExpectLostAndHealedByABackup();
}

TEST_F(ScrubTest, ATruncatedPackAndAReplica) {
  Sync();
  ASSERT_TRUE(memory_.Truncate(pack_, 70'000));
  ExpectHealedFromTheReplica();
}

TEST_F(ScrubTest, AnEmptyPack) {
  ASSERT_TRUE(memory_.Truncate(pack_, 0));
  ExpectLostAndHealedByABackup();
}

TEST_F(ScrubTest, AMissingPack) {
  ASSERT_TRUE(memory_.Lose(pack_));
  ExpectLostAndHealedByABackup();
}

TEST_F(ScrubTest, AMissingPackAndAReplica) {
  Sync();
  ASSERT_TRUE(memory_.Lose(pack_));
  ExpectHealedFromTheReplica();
}

// Header, footer, trailer: the chunks are good, and no replica is needed.
TEST_F(ScrubTest, AFlippedBitInTheHeader) {
  ASSERT_TRUE(memory_.FlipByte(pack_, 9));
  ExpectMovedAway();
}

TEST_F(ScrubTest, AFlippedBitInTheFooter) {
  ASSERT_TRUE(memory_.FlipByte(pack_, memory_.Stat({}, pack_)->size_bytes - 60));
  ExpectMovedAway();
}

TEST_F(ScrubTest, AFlippedBitInTheTrailer) {
  ASSERT_TRUE(memory_.FlipByte(pack_, memory_.Stat({}, pack_)->size_bytes - 10));
  ExpectMovedAway();
}

TEST_F(ScrubTest, PacksThatChangedPlaces) {
  const Files other_files = {{"full/aa/other", SyntheticContent(9, 150'000)}};
  const v1::Receipt other_receipt = BackUp(bobs_phone_, desk_, other_files);
  Sync();
  const std::vector<std::string> packs = Keys("packs/");
  ASSERT_EQ(packs.size(), 2u);
  const Bytes first = Get(memory_, packs[0]);
  const Bytes second = Get(memory_, packs[1]);
  Set(memory_, packs[0], second);
  Set(memory_, packs[1], first);
  const storage::ScrubProgress progress = Scrub(true);
  EXPECT_EQ(progress.packs_bad, 2u);
  EXPECT_EQ(progress.chunks_lost, 0u);
  ExpectHolds(other_receipt, other_files);
  ExpectAllGood(true);
}

TEST_F(ScrubTest, AReplicaThatIsBadItselfIsNotBelieved) {
  Sync();
  ASSERT_TRUE(replica_.FlipByte(pack_, 70'000));
  ASSERT_TRUE(memory_.FlipByte(pack_, 70'000));
  const storage::ScrubProgress progress = Scrub(true);
  EXPECT_EQ(progress.chunks_lost, 1u);
  EXPECT_EQ(DamageOf(receipt_), 1u);
  // The replica's disk comes back: so does the chunk.
  ASSERT_TRUE(replica_.FlipByte(pack_, 70'000));
  EXPECT_EQ(Scrub(true).chunks_healed, 1u);
  EXPECT_EQ(DamageOf(receipt_), 0u);
  ExpectAllGood(true);
}

TEST_F(ScrubTest, AReplicaThatIsAwayLosesNothingForGood) {
  Sync();
  ASSERT_TRUE(memory_.Lose(pack_));
  SeededRandom random(1);
  replica_store_.FailAtRandom(random, 1000);
  EXPECT_GT(Scrub(true).chunks_lost, 0u);
  EXPECT_GT(DamageOf(receipt_), 0u);
  replica_store_.Heal();
  EXPECT_GT(Scrub(true).chunks_healed, 0u);
  ExpectAllGood(true);
}

TEST_F(ScrubTest, AStoreThatIsAwayHasLostNothing) {
  const Bytes repository = Get(memory_, "repository");
  const Bytes pack = Get(memory_, pack_);
  ASSERT_TRUE(memory_.Lose("repository") && memory_.Lose(pack_));
  EXPECT_TRUE(absl::IsUnavailable(TryScrub().status()));
  EXPECT_EQ(Totals().lost_chunks, 0u);
  Set(memory_, "repository", repository);
  Set(memory_, pack_, pack);
  ExpectAllGood();
}

TEST_F(ScrubTest, AMissingOrWrongCommitRecordIsWrittenAnew) {
  const std::string key = storage::CommitRecordObjectKey(SnapshotOf(receipt_));
  const Bytes good = Get(memory_, key);
  const v1::Receipt second = BackUp(phone_, desk_, Changed(files_, 1));
  const Bytes other = Get(memory_, storage::CommitRecordObjectKey(SnapshotOf(second)));
  for (const int damage : {0, 1, 2}) {
    SCOPED_TRACE(damage);
    const bool struck = damage == 0   ? memory_.Lose(key)
                        : damage == 1 ? memory_.FlipByte(key, 5)
                                      : true;
    ASSERT_TRUE(struck);
    if (damage == 2) Set(memory_, key, other);  // An old one played back.
    const storage::ScrubProgress progress = Scrub();
    EXPECT_EQ(progress.records_bad, 1u);
    EXPECT_EQ(progress.records_healed, 1u);
    format::v1::CommitRecord expected, now;
    const Bytes written = Get(memory_, key);
    ASSERT_TRUE(expected.ParseFromArray(good.data(), static_cast<int>(good.size())));
    ASSERT_TRUE(now.ParseFromArray(written.data(), static_cast<int>(written.size())));
    EXPECT_TRUE(storage::SameRecord(expected, now));
  }
  ExpectAllGood();
}

TEST_F(ScrubTest, KeyObjectsAreWrittenAnewUnlessTheKeyWasDestroyed) {
  const std::string key = storage::SnapshotKeyObjectKey(SnapshotOf(receipt_));
  const std::string person = storage::PersonKeyObjectKey(alice_);
  const Bytes key_bytes = Get(memory_, key);
  const Bytes person_bytes = Get(memory_, person);
  ASSERT_TRUE(memory_.Lose(key) && memory_.FlipByte(person, 60));
  EXPECT_EQ(Scrub().records_healed, 2u);
  EXPECT_TRUE(Get(memory_, key) == key_bytes);
  EXPECT_TRUE(Get(memory_, person) == person_bytes);
  ASSERT_TRUE(repository().Delete({}, SnapshotOf(receipt_), "account:eve", "no need").ok());
  EXPECT_EQ(Scrub().records_bad, 0u);
  EXPECT_TRUE(absl::IsNotFound(memory_.Stat({}, key).status()));
}

TEST_F(ScrubTest, GoesOnWhereItWasStopped) {
  for (std::uint64_t i = 1; i <= 4; ++i) BackUp(phone_, desk_, Changed(files_, i));
  ASSERT_EQ(Keys("packs/").size(), 5u);
  std::stop_source stop;
  int reports = 0;
  const auto stopped =
      NewScrubber(false).Run({.deadline = absl::InfiniteFuture(), .stop = stop.get_token()}, true,
                             [&](const storage::ScrubProgress&) {
                               if (++reports == 2) stop.request_stop();
                             });
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_FALSE(stopped->is_complete);
  EXPECT_EQ(stopped->packs_done, 2u);
  const storage::ScrubProgress rest = Scrub();
  EXPECT_TRUE(rest.is_complete);
  EXPECT_EQ(rest.packs_done, 3u);
}

// Each call of store, replica and catalog fails once, in every way, while a new
// pack is scrubbed that has gone bad: no bytes are ever wrong, and a later scrub
// heals all.
class ScrubFaultTest : public ScrubTest {
 protected:
  void SetUp() override {
    ScrubTest::SetUp();
    if (HasFatalFailure()) return;
    Scrub();
    Sync();
  }

  // Runs scrub with the n-th call failing, for each n until no call fails.
  void FailEachCall(const std::function<void(std::uint64_t n)>& inject,
                    const std::function<std::uint64_t()>& strikes,
                    const std::function<void()>& heal) {
    for (std::uint64_t n = 1;; ++n) {
      SCOPED_TRACE("call " + std::to_string(n));
      ASSERT_LT(n, 200u);
      const Files files = {{"full/00/x", SyntheticContent(++seed_, 60'000)}};
      const v1::Receipt receipt = BackUp(phone_, desk_, files);
      Sync();
      ASSERT_TRUE(memory_.FlipByte(NewestPack(), 300));
      inject(n);
      const std::uint64_t before = strikes();
      TryScrub(true, false).status().IgnoreError();
      const bool struck = strikes() > before;
      heal();
      Scrub(true, false);
      Scrub(true, false);  // What the first found lost, the second looks for again.
      EXPECT_EQ(Totals().lost_chunks, 0u);
      EXPECT_EQ(DamageOf(receipt), 0u);
      ExpectHolds(receipt, files);
      if (!struck) return;
    }
  }

  // The one that was never scrubbed.
  std::string NewestPack() {
    std::string key;
    const absl::Status read = catalog().Run({}, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const auto packs, tx.care().NextToScrub(absl::InfinitePast(), 1));
      if (packs.empty()) return absl::NotFoundError("every pack was scrubbed");
      key = storage::PackObjectKey(packs.front().id);
      return absl::OkStatus();
    });
    EXPECT_TRUE(read.ok()) << read;
    return key;
  }

  std::uint64_t seed_ = 5000;
};

TEST_F(ScrubFaultTest, EveryCallOfEitherStoreFailsOnce) {
  for (storage::FaultyObjectStore* const store : {&store_, &replica_store_}) {
    for (const auto fault : {storage::ObjectFault::kFailBefore, storage::ObjectFault::kFailAfter,
                             storage::ObjectFault::kShortStore, storage::ObjectFault::kFlipByte}) {
      SCOPED_TRACE(static_cast<int>(fault));
      FailEachCall([&](std::uint64_t n) { store->FailCall(n, fault); },
                   [&] { return store->faults(); }, [&] { store->Heal(); });
    }
  }
  ExpectHolds(receipt_, files_);
}

TEST_F(ScrubFaultTest, EveryTransactionFailsOnce) {
  for (const auto fault : {CatalogFault::kUnavailable, CatalogFault::kInDoubtDone,
                           CatalogFault::kInDoubtNotDone, CatalogFault::kGoneAfterBody}) {
    SCOPED_TRACE(static_cast<int>(fault));
    std::uint64_t calls_at = 0;
    std::uint64_t nth = 0;
    FailEachCall(
        [&](std::uint64_t n) {
          nth = n;
          calls_at = faulty_catalog_->calls();
          faulty_catalog_->FailCall(n, fault);
        },
        [&]() -> std::uint64_t {
          return nth > 0 && faulty_catalog_->calls() - calls_at >= nth ? nth : 0;
        },
        [&] {
          faulty_catalog_->Heal();
          nth = 0;
        });
  }
}

}  // namespace
}  // namespace mooring::testing
