// The replica holds what the store holds, verified; it forgets by tombstone and
// journal alone.

#include "tests/integration/storage/care/care_fixture.h"

namespace mooring::testing {
namespace {

class ReplicaTest : public CareTest {
 protected:
  void ExpectSameObjects() {
    const std::vector<std::string> keys = Keys("");
    EXPECT_EQ(KeysOf(replica_, ""), keys);
    for (const std::string& key : keys) EXPECT_TRUE(Get(memory_, key) == Get(replica_, key)) << key;
  }
};

TEST_F(ReplicaTest, HoldsAllThatTheStoreHolds) {
  BackUp(phone_, desk_, files_);
  BackUp(bobs_phone_, desk_, Changed(files_, 1));
  const storage::ReplicaProgress first = Sync();
  EXPECT_EQ(first.packs_copied, 2u);
  EXPECT_GT(first.objects_copied, 0u);
  ExpectSameObjects();
  EXPECT_EQ(Totals().packs_unreplicated, 0u);
  const storage::ReplicaProgress again = Sync();
  EXPECT_EQ(again.packs_copied + again.objects_copied, 0u);
  const v1::Receipt receipt = BackUp(phone_, desk_, Changed(files_, 2));
  EXPECT_EQ(Totals().packs_unreplicated, 1u);
  EXPECT_EQ(Sync().packs_copied, 1u);
  ExpectSameObjects();
}

TEST_F(ReplicaTest, OneOfAnotherRepositoryIsRefused) {
  Set(replica_, storage::kRepositoryObjectKey, AsBytes("another"));
  Set(replica_, storage::kOrganizationKeyObjectKey, AsBytes("another's"));
  EXPECT_TRUE(absl::IsFailedPrecondition(TrySync().status()));
}

TEST_F(ReplicaTest, ADamagedIdentityIsNotAnother) {
  // Torn as the very first object.
  Set(replica_, storage::kRepositoryObjectKey, AsBytes("torn"));
  BackUp(phone_, desk_, files_);
  Sync();
  ExpectSameObjects();
  ASSERT_TRUE(replica_.FlipByte(storage::kRepositoryObjectKey, 20));
  Sync();
  ExpectSameObjects();
}

TEST_F(ReplicaTest, WhatIsAbsentAtTheSourceStays) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  Sync();
  const std::vector<std::string> before = KeysOf(replica_, "");
  for (const std::string& key : Keys("packs/")) memory_.Lose(key);
  memory_.Lose(storage::CommitRecordObjectKey(SnapshotOf(receipt)));
  memory_.Lose(storage::SnapshotKeyObjectKey(SnapshotOf(receipt)));
  ASSERT_TRUE(TrySync(true).ok());
  EXPECT_EQ(KeysOf(replica_, ""), before);
}

TEST_F(ReplicaTest, ATombstoneTakesTheKeyAwayAtOnce) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  const v1::Receipt kept = BackUp(phone_, desk_, Changed(files_, 1));
  Sync();
  ASSERT_TRUE(repository().Delete({}, SnapshotOf(receipt), "account:eve", "no need").ok());
  EXPECT_EQ(Sync().objects_removed, 1u);
  EXPECT_TRUE(absl::IsNotFound(
      replica_.Stat({}, storage::SnapshotKeyObjectKey(SnapshotOf(receipt))).status()));
  EXPECT_TRUE(replica_.Stat({}, storage::TombstoneObjectKey(SnapshotOf(receipt))).ok());
  EXPECT_TRUE(replica_.Stat({}, storage::SnapshotKeyObjectKey(SnapshotOf(kept))).ok());
  ExpectSameObjects();
  // The collector removes the record.
  memory_.Lose(storage::CommitRecordObjectKey(SnapshotOf(receipt)));
  EXPECT_EQ(Sync().objects_removed, 1u);
  ExpectSameObjects();
}

TEST_F(ReplicaTest, AJournalTakesPacksAwayOnceTheyAreGone) {
  BackUp(phone_, desk_, files_);
  Sync();
  const std::string live = Keys("packs/").front();
  const PackId gone_id = PackId::Make(system_random_);
  const std::string gone = storage::PackObjectKey(gone_id);
  ASSERT_TRUE(replica_.Put({}, gone, Get(replica_, live), absl::InfinitePast()).ok());
  Set(memory_, storage::DoomJournalObjectKey(1),
      storage::EncodeDoomJournal(organization_key_,
                                 {.epoch = 0, .generation = 1, .packs = {gone_id}}));
  Sync();
  EXPECT_TRUE(replica_.Stat({}, gone).ok()) << "by a journal that nobody can vouch for";
  PutJournal(2, {gone_id, *storage::PackOfObjectKey(live)});
  memory_.Lose(live);
  Sync();
  EXPECT_TRUE(absl::IsNotFound(replica_.Stat({}, gone).status()));
  EXPECT_TRUE(replica_.Stat({}, live).ok()) << "although its row lives";
}

TEST_F(ReplicaTest, ABadPackIsNotCopiedAndIsScrubbedFirst) {
  BackUp(phone_, desk_, files_);
  const std::string pack = Keys("packs/").front();
  Scrub();
  ASSERT_TRUE(memory_.FlipByte(pack, 70'000));
  const auto progress = TrySync();
  ASSERT_TRUE(progress.ok()) << progress.status();
  EXPECT_EQ(progress->packs_bad, 1u);
  EXPECT_FALSE(progress->is_complete);
  EXPECT_TRUE(absl::IsNotFound(replica_.Stat({}, pack).status()));
  EXPECT_EQ(Scrub(true, false).packs_bad, 1u);
}

TEST_F(ReplicaTest, WhatRotsOrVanishesThereIsCopiedAgain) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  Sync();
  const std::string pack = Keys("packs/").front();
  ASSERT_TRUE(replica_.Lose(pack));
  ASSERT_TRUE(replica_.FlipByte(storage::CommitRecordObjectKey(SnapshotOf(receipt)), 3));
  const storage::ReplicaProgress progress = Sync(true);
  EXPECT_EQ(progress.packs_again, 1u);
  EXPECT_EQ(progress.packs_copied, 1u);
  EXPECT_EQ(progress.objects_copied, 1u);
  ExpectSameObjects();
}

TEST_F(ReplicaTest, ARecordThatNobodyCommittedIsNotCopied) {
  BackUp(phone_, desk_, files_);
  ASSERT_TRUE(memory_
                  .Put({}, storage::CommitRecordObjectKey(SnapshotId::Make(system_random_)),
                       AsBytes("a proposal"), absl::InfinitePast())
                  .ok());
  Sync();
  EXPECT_EQ(KeysOf(replica_, "snapshots/").size(), 1u);
}

TEST_F(ReplicaTest, EveryCallOfEitherStoreFailsOnce) {
  std::uint64_t seed = 5000;
  for (storage::FaultyObjectStore* const store : {&store_, &replica_store_}) {
    for (const auto fault : {storage::ObjectFault::kFailBefore, storage::ObjectFault::kFailAfter,
                             storage::ObjectFault::kShortStore, storage::ObjectFault::kFlipByte}) {
      for (std::uint64_t n = 1;; ++n) {
        SCOPED_TRACE(std::to_string(static_cast<int>(fault)) + " at " + std::to_string(n));
        ASSERT_LT(n, 300u);
        BackUp(phone_, desk_, {{"full/00/x", SyntheticContent(++seed, 60'000)}});
        const std::uint64_t faults = store->faults();
        store->FailCall(n, fault);
        TrySync().status().IgnoreError();
        const bool struck = store->faults() > faults;
        store->Heal();
        Sync();
        EXPECT_EQ(KeysOf(replica_, ""), Keys(""));
        if (!struck) break;
      }
    }
  }
  ExpectSameObjects();
}

TEST_F(ReplicaTest, EveryTransactionFailsOnce) {
  std::uint64_t seed = 5000;
  for (const auto fault : {CatalogFault::kUnavailable, CatalogFault::kInDoubtDone,
                           CatalogFault::kInDoubtNotDone, CatalogFault::kGoneAfterBody}) {
    for (std::uint64_t n = 1;; ++n) {
      SCOPED_TRACE(std::to_string(static_cast<int>(fault)) + " at " + std::to_string(n));
      ASSERT_LT(n, 100u);
      BackUp(phone_, desk_, {{"full/00/x", SyntheticContent(++seed, 60'000)}});
      const std::uint64_t before = faulty_catalog_->calls();
      faulty_catalog_->FailCall(n, fault);
      TrySync().status().IgnoreError();
      const bool struck = faulty_catalog_->calls() - before >= n;
      faulty_catalog_->Heal();
      Sync();
      if (!struck) break;
    }
  }
  ExpectSameObjects();
}

}  // namespace
}  // namespace mooring::testing
