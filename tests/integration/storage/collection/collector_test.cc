// Garbage collection on a real PostgreSQL: what goes, when, and what never does.

#include <algorithm>
#include <thread>

#include "tests/integration/storage/collection/collector_fixture.h"

namespace mooring::testing {
namespace {

using storage::BegunSession;
using storage::PackState;
using storage::Transaction;

TEST_F(CollectorTest, GarbageGoesStepByStepAndNeverBeforeItsTime) {
  options_ = WithoutCompaction(options_);
  const v1::Receipt first = BackUp(phone_, desk_, FilesOf(1));
  const v1::Receipt second = BackUp(phone_, desk_, FilesOf(2));
  Delete(first);
  const std::size_t packs = Keys("packs/").size();

  EXPECT_EQ(Collect().condemned().chunks(), 0u);  // The packs are young.
  const v1::CollectionReport condemned = CollectAfter(absl::Hours(25));
  EXPECT_GT(condemned.condemned().chunks(), 0u);
  EXPECT_GT(condemned.condemned().bytes(), 200'000u);
  EXPECT_EQ(condemned.doomed().chunks(), 0u);
  EXPECT_EQ(CollectAfter(absl::Hours(71)).doomed().chunks(), 0u);
  const v1::CollectionReport doomed = CollectAfter(absl::Hours(2));
  EXPECT_EQ(doomed.doomed().chunks(), condemned.condemned().chunks());
  EXPECT_EQ(doomed.packs_doomed().objects(), 1u);
  EXPECT_EQ(doomed.packs_removed().objects(), 0u);
  EXPECT_EQ(doomed.packs_waiting().objects(), 1u);
  EXPECT_EQ(CollectAfter(absl::Hours(23)).packs_removed().objects(), 0u);
  EXPECT_EQ(Keys("packs/").size(), packs);
  const v1::CollectionReport removed = CollectAfter(absl::Hours(2));
  EXPECT_EQ(removed.packs_removed().objects(), 1u);
  EXPECT_EQ(Keys("packs/").size(), packs - 1);
  EXPECT_EQ(Totals().doomed.count, 0u);
  EXPECT_TRUE(Packs(PackState::kDoomed).empty());
  ExpectWhole(second, FilesOf(2));
  ExpectAddsUp();
}

TEST_F(CollectorTest, TwoMarksMustPassHoweverMuchTimeHas) {
  options_ = WithoutCompaction(options_);
  Delete(BackUp(phone_, desk_, FilesOf(1)));
  EXPECT_GT(CollectAfter(absl::Hours(25)).condemned().chunks(), 0u);
  EXPECT_EQ(CollectAfter(absl::Hours(1000)).doomed().chunks(), 0u);
  EXPECT_GT(CollectAfter(absl::Hours(1)).doomed().chunks(), 0u);
}

TEST_F(CollectorTest, NothingIsDoomedThatNoExportHasSeenCondemned) {
  options_ = WithoutCompaction(options_);
  absl::Time exported = time_.Now();
  parts_->newest_export = [&](const OpContext&) -> absl::StatusOr<absl::Time> { return exported; };
  Delete(BackUp(phone_, desk_, FilesOf(1)));
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(CollectAfter(absl::Hours(25)).doomed().chunks(), 0u);
  }
  exported = time_.Now();
  EXPECT_GT(CollectAfter(absl::Hours(1)).doomed().chunks(), 0u);
}

TEST_F(CollectorTest, APlanSaysWhatARoundDoesAndChangesNothing) {
  options_ = AtOnce();
  BackUp(phone_, desk_, FilesOf(2));
  Delete(BackUp(phone_, desk_, FilesOf(1)));
  const auto keys = Keys("");
  const v1::CollectionReport plan = Plan();
  EXPECT_TRUE(plan.is_plan());
  EXPECT_GT(plan.condemned().chunks(), 0u);
  EXPECT_EQ(Keys(""), keys);
  EXPECT_EQ(Totals().condemned.count, 0u);
  EXPECT_EQ(State().generation, 0u);
  EXPECT_EQ(Collect().condemned().chunks(), plan.condemned().chunks());
}

TEST_F(CollectorTest, FindingACondemnedChunkKeepsIt) {
  options_ = WithoutCompaction(options_);
  Delete(BackUp(phone_, desk_, FilesOf(1)));
  const std::uint64_t condemned = CollectAfter(absl::Hours(25)).condemned().chunks();
  // The same files again: found, not uploaded, but for a segment or two.
  const v1::Receipt again = BackUp(phone_, desk_, FilesOf(1));
  EXPECT_LT(again.stored_bytes(), 20'000u);
  EXPECT_LT(Totals().condemned.count, condemned);
  for (int i = 0; i < 8; ++i) CollectAfter(absl::Hours(25));
  ExpectWhole(again, FilesOf(1));
}

TEST_F(CollectorTest, AnOpenSessionKeepsWhatItWasToldIsThere) {
  options_ = AtOnce();
  options_.condemned_for = absl::Hours(1);
  Files more = FilesOf(1);
  more["full/00/more"] = SyntheticContent(77, 300'000);
  Delete(BackUp(phone_, desk_, more));
  const BegunSession session = *Begin(phone_, desk_);
  const SealedTree tree = *SealFiles(session, FilesOf(1), time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, session, desk_, tree).ok());
  const std::uint64_t condemned = Collect().condemned().bytes();  // What was more.
  EXPECT_GT(condemned, 300'000u);
  EXPECT_LT(condemned, 400'000u);
  const auto committed = repository().Commit({}, desk_, tree.request);
  ASSERT_TRUE(committed.ok() && committed->receipt) << committed.status();
  ExpectWhole(*committed->receipt, FilesOf(1));
  EXPECT_TRUE(Read<std::vector<storage::SessionTouch>>([](Transaction& tx) {
                return tx.collection().ListOpenTouches(0, 10);
              }).empty());
}

TEST_F(CollectorTest, AnUploadTakesOverInEveryState) {
  options_ = WithoutCompaction(AtOnce());
  for (const int hours_to_doom : {1, 0}) {
    for (const int hours_to_remove : {1, 0}) {
      SCOPED_TRACE(hours_to_doom * 2 + hours_to_remove);
      options_.condemned_for = absl::Hours(hours_to_doom);
      options_.doomed_for = absl::Hours(hours_to_remove);
      const Files files = FilesOf(100);
      Delete(BackUp(phone_, desk_, files));
      Collect();  // Condemned, doomed or removed.
      const v1::Receipt again = BackUp(phone_, desk_, files);
      ExpectWhole(again, files);
      Collect();
      Collect();
      ExpectWhole(again, files);
      Delete(again);
      time_.Advance(absl::Hours(2));
      Collect();
      time_.Advance(absl::Hours(2));
      Collect();
      ExpectAddsUp();
    }
  }
}

TEST_F(CollectorTest, CompactionKeepsEverySnapshotWholeAndFreesTheRest) {
  options_ = AtOnce();
  std::vector<std::pair<v1::Receipt, Files>> snapshots;
  for (std::uint64_t i = 0; i < 6; ++i) {
    const Files files = Changed(files_, i);
    snapshots.emplace_back(BackUp(phone_, desk_, files), files);
  }
  for (std::size_t i = 0; i < snapshots.size(); i += 2) Delete(snapshots[i].first);
  const std::uint64_t before = Plan().stock().store().bytes();
  std::uint64_t compacted = 0;
  for (int i = 0; i < 4; ++i)
    compacted += CollectAfter(absl::Minutes(1)).packs_compacted().objects();
  EXPECT_GT(compacted, 2u);
  for (std::size_t i = 1; i < snapshots.size(); i += 2) {
    ExpectWhole(snapshots[i].first, snapshots[i].second);
  }
  const v1::RepositoryStock stock = Plan().stock();
  EXPECT_LT(stock.store().bytes(), before);
  EXPECT_EQ(stock.condemned().chunks() + stock.doomed().chunks(), 0u) << stock.DebugString();
  EXPECT_LE(stock.live_packs().objects(), 2u);
  ExpectAddsUp();
  // It comes to rest.
  EXPECT_EQ(Collect().packs_compacted().objects(), 0u);
}

TEST_F(CollectorTest, CompactionLeavesABadChunkBehindAsLost) {
  options_ = AtOnce();
  const v1::Receipt first = BackUp(phone_, desk_, FilesOf(1));
  BackUp(phone_, desk_, FilesOf(2));
  const std::string key = Keys("packs/").front();
  memory_.FlipByte(key, 5000);
  Collect();
  EXPECT_EQ(Totals().lost.count, 1u);
  time_.Advance(absl::Minutes(1));
  const v1::CollectionReport report = Collect();
  EXPECT_EQ(report.stock().damaged_chunks(), 1u);
  EXPECT_FALSE(Keys(key).empty());  // What is lost keeps its pack as evidence.
}

TEST_F(CollectorTest, ALostChunkThatNothingReferencesGoes) {
  options_ = AtOnce();
  const v1::Receipt receipt = BackUp(phone_, desk_, FilesOf(1));
  memory_.FlipByte(Keys("packs/").front(), 5000);
  repository().Verify({}, SnapshotOf(receipt), [](const storage::VerifyResult&) {}).IgnoreError();
  EXPECT_EQ(Totals().lost.count, 1u);
  Collect();
  EXPECT_EQ(Totals().lost.count, 1u);
  Delete(receipt);
  for (int i = 0; i < 3; ++i) CollectAfter(absl::Minutes(1));
  EXPECT_EQ(Totals().lost.count, 0u);
  EXPECT_TRUE(Keys("packs/").empty());
  ExpectAddsUp();
}

TEST_F(CollectorTest, AReferencedChunkThatIsNotLiveStopsCollection) {
  options_ = AtOnce();
  const v1::Receipt receipt = BackUp(phone_, desk_, FilesOf(1));
  Delete(BackUp(phone_, desk_, FilesOf(2)));
  const auto rows =
      Read<std::vector<storage::ChunkRow>>([](Transaction& tx) { return tx.chunks().Scan(0, 1); });
  const std::uint64_t no = rows.front().no;
  Read<std::uint64_t>([&](Transaction& tx) {
    return tx.chunks().Condemn(std::span(&no, 1), 0, time_.Now() - absl::Hours(1));
  });
  const auto keys = Keys("packs/");
  const absl::Status stopped = TryCollect().status();
  EXPECT_TRUE(absl::IsDataLoss(stopped)) << stopped;
  EXPECT_FALSE(State().stop_reason.empty());
  const absl::Status again = TryCollect().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(again)) << again;
  EXPECT_NE(again.message().find("--clear-stop"), absl::string_view::npos) << again;
  EXPECT_EQ(Keys("packs/"), keys);
  EXPECT_TRUE(absl::IsInvalidArgument(
      storage::Collector(*parts_, options_).ClearStop({}, "account:root", "")));
  ASSERT_TRUE(ClearStop().ok());
  EXPECT_TRUE(absl::IsDataLoss(TryCollect().status()));  // It is still so.
  ASSERT_TRUE(ClearStop().ok());
  BackUp(second_phone_, desk_, FilesOf(1));  // Finds it, which makes it live.
  Collect();
  ExpectWhole(receipt, FilesOf(1));
}

TEST_F(CollectorTest, ClocksThatDisagreeDeleteNothing) {
  options_ = AtOnce();
  Delete(BackUp(phone_, desk_, FilesOf(1)));
  const auto keys = Keys("packs/");
  constexpr absl::Duration kTenYears = absl::Hours(24 * 3652);
  for (const absl::Duration wrong : {kTenYears, -kTenYears, absl::Seconds(61)}) {
    time_.Jump(wrong);
    database_clock_.ahead = -wrong;
    const absl::Status refused = TryCollect().status();
    EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
    EXPECT_NE(refused.message().find("time"), absl::string_view::npos) << refused;
    time_.Jump(-wrong);
    database_clock_.ahead = absl::ZeroDuration();
  }
  // Both clocks wrong together, into the past: the last round tells.
  Collect();
  time_.Jump(-kTenYears);
  EXPECT_TRUE(absl::IsFailedPrecondition(TryCollect().status()));
  time_.Jump(kTenYears);
  Collect();
  EXPECT_NE(Keys("packs/"), keys);
  // And into the future: the way back is a person's.
  time_.Jump(kTenYears);
  Collect();
  time_.Jump(-kTenYears);
  EXPECT_TRUE(absl::IsFailedPrecondition(TryCollect().status()));
  ASSERT_TRUE(ClearStop().ok());
  Collect();
}

TEST_F(CollectorTest, ALockedPackStaysDoomedAndTheRestGoesOn) {
  options_ = WithoutCompaction(AtOnce());
  const v1::Receipt first = BackUp(phone_, desk_, FilesOf(1));
  const std::string locked = Keys("packs/").front();
  Bytes body(memory_.Stat({}, locked)->size_bytes);
  ASSERT_TRUE(memory_.ReadAt({}, locked, 0, body).ok());
  ASSERT_TRUE(memory_.Put({}, locked, body, time_.Now() + absl::Hours(100)).ok());
  Delete(first);
  Delete(BackUp(phone_, desk_, FilesOf(2)));
  const v1::CollectionReport report = Collect();
  EXPECT_EQ(report.packs_locked().objects(), 1u);
  EXPECT_EQ(report.packs_removed().objects(), 1u);
  EXPECT_EQ(Packs(PackState::kDoomed).size(), 1u);
  EXPECT_EQ(Collect().packs_locked().objects(), 1u);
  EXPECT_EQ(CollectAfter(absl::Hours(101)).packs_removed().objects(), 1u);
  EXPECT_TRUE(Keys("packs/").empty());
}

TEST_F(CollectorTest, ADayRemovesItsShareAndNoMore) {
  options_ = WithoutCompaction(AtOnce());
  options_.removed_bytes_a_day_min = 300'000;  // One pack of these, not two.
  options_.removed_percent_a_day = 0;
  std::vector<v1::Receipt> receipts;
  for (std::uint64_t i = 0; i < 4; ++i) receipts.push_back(BackUp(phone_, desk_, FilesOf(i)));
  for (const v1::Receipt& receipt : receipts) Delete(receipt);
  EXPECT_EQ(Collect().packs_removed().objects(), 1u);
  EXPECT_EQ(Collect().packs_removed().objects(), 0u);
  const v1::CollectionReport next = CollectAfter(absl::Hours(25));
  EXPECT_EQ(next.packs_removed().objects(), 1u);
  EXPECT_EQ(next.packs_over_share().objects(), 2u);
  run_.ignore_share = true;
  EXPECT_EQ(Collect().packs_removed().objects(), 2u);
}

TEST_F(CollectorTest, OrphansGoOnceTheyAreOld) {
  const v1::Receipt kept = BackUp(phone_, desk_, FilesOf(1));
  // An upload whose process died: staged, its object there or not.
  const BegunSession session = *Begin(second_phone_, desk_);
  const SealedTree tree = *SealFiles(session, FilesOf(2), time_, system_random_);
  {
    auto upload = repository().Upload({}, session.session, desk_);
    ASSERT_TRUE((*upload)->Put({}, tree.chunks[0].domain, tree.chunks[0].chunk.bytes).ok());
  }
  ASSERT_EQ(Packs(PackState::kStaged).size(), 1u);
  const PackId staged = Packs(PackState::kStaged).front().id;
  ASSERT_TRUE(memory_.Put({}, storage::PackObjectKey(staged), Bytes(500), {}).ok());
  const PackId stranger = PackId::Make(system_random_);
  ASSERT_TRUE(memory_.Put({}, storage::PackObjectKey(stranger), Bytes(700), {}).ok());
  const v1::RepositoryStock stock = Plan().stock();
  EXPECT_EQ(stock.orphans().bytes(), 700u);
  EXPECT_EQ(stock.staged().bytes(), 500u);
  EXPECT_TRUE(stock.adds_up()) << stock.DebugString();

  EXPECT_EQ(CollectAfter(absl::Hours(24 * 6)).orphans_removed().objects(), 0u);
  // Its session is still open, however old.
  EXPECT_EQ(CollectAfter(absl::Hours(48)).orphans_removed().objects(), 1u);
  EXPECT_TRUE(Keys(storage::PackObjectKey(stranger)).empty());
  EXPECT_FALSE(Keys(storage::PackObjectKey(staged)).empty());
  EXPECT_EQ(*repository().ExpireSessions({}), 1);
  EXPECT_EQ(CollectAfter(absl::Hours(1)).orphans_removed().bytes(), 500u);
  EXPECT_TRUE(Packs(PackState::kStaged).empty());
  ExpectWhole(kept, FilesOf(1));
  ExpectAddsUp();
}

TEST_F(CollectorTest, ARecordWithoutASnapshotKeepsWhatItNames) {
  options_ = AtOnce();
  const v1::Receipt lost = BackUp(phone_, desk_, FilesOf(1));
  const std::string record = storage::CommitRecordObjectKey(SnapshotOf(lost));
  Bytes body(memory_.Stat({}, record)->size_bytes);
  ASSERT_TRUE(memory_.ReadAt({}, record, 0, body).ok());
  Delete(lost);
  // The same record under an id that the catalog does not know.
  const SnapshotId forgotten = SnapshotId::Make(system_random_);
  ASSERT_TRUE(memory_.Put({}, storage::CommitRecordObjectKey(forgotten), body, {}).ok());
  const PackId stranger = PackId::Make(system_random_);
  ASSERT_TRUE(memory_.Put({}, storage::PackObjectKey(stranger), Bytes(700), {}).ok());
  time_.Advance(absl::Hours(1));
  const v1::CollectionReport report = Collect();
  EXPECT_EQ(report.records_without_snapshot(), 1u);
  EXPECT_EQ(report.condemned().chunks(), 0u);
  EXPECT_EQ(report.orphans_removed().objects(), 0u);
  ASSERT_EQ(report.notes_size(), 1);
  EXPECT_NE(report.notes(0).find("reconcile"), std::string::npos);
  ASSERT_TRUE(memory_.Remove({}, storage::CommitRecordObjectKey(forgotten)).ok());
  EXPECT_GT(Collect().condemned().chunks(), 0u);
  EXPECT_TRUE(Keys(storage::PackObjectKey(stranger)).empty());
}

TEST_F(CollectorTest, RecordsOfDeletedSnapshotsGoAndTombstonesStay) {
  const v1::Receipt receipt = BackUp(phone_, desk_, FilesOf(1));
  Delete(receipt);
  EXPECT_EQ(Collect().records_removed().objects(), 0u);
  EXPECT_EQ(CollectAfter(absl::Hours(24 * 8)).records_removed().objects(), 1u);
  EXPECT_EQ(Keys("snapshots/"),
            std::vector<std::string>{storage::TombstoneObjectKey(SnapshotOf(receipt))});
}

TEST_F(CollectorTest, AccountingShowsAPackThatIsMissing) {
  BackUp(phone_, desk_, FilesOf(1));
  ExpectAddsUp();
  memory_.Lose(Keys("packs/").front());
  const v1::RepositoryStock stock = Plan().stock();
  EXPECT_FALSE(stock.adds_up());
  EXPECT_EQ(stock.missing_packs().objects(), 1u);
}

TEST_F(CollectorTest, ARoundThatIsNoLongerTheNewestChangesNothingMore) {
  options_ = AtOnce();
  const v1::Receipt kept = BackUp(phone_, desk_, FilesOf(2));
  Delete(BackUp(phone_, desk_, FilesOf(1)));
  bool is_first = true;
  const auto outrun = [&](std::string_view step, std::uint64_t, std::uint64_t) {
    if (step != "scan" || !is_first) return;
    is_first = false;
    Collect();
  };
  const absl::Status slow =
      storage::Collector(*parts_, options_).Collect({}, run_, outrun).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(slow)) << slow;
  EXPECT_NE(slow.message().find("another round"), absl::string_view::npos) << slow;
  EXPECT_TRUE(State().stop_reason.empty());
  ExpectWhole(kept, FilesOf(2));
}

TEST_F(CollectorTest, TwoCollectorsAtOnceDoNoHarm) {
  options_ = AtOnce();
  std::vector<std::pair<v1::Receipt, Files>> kept;
  for (std::uint64_t round = 0; round < 6; ++round) {
    Delete(BackUp(phone_, desk_, Changed(files_, round)));
    const Files files = Changed(files_, 100 + round);
    kept.emplace_back(BackUp(phone_, desk_, files), files);
    absl::Status first, second;
    {
      std::jthread other([&] { first = TryCollect().status(); });
      second = TryCollect().status();
    }
    EXPECT_TRUE(first.ok() || absl::IsFailedPrecondition(first)) << first;
    EXPECT_TRUE(second.ok() || absl::IsFailedPrecondition(second)) << second;
    EXPECT_TRUE(State().stop_reason.empty()) << State().stop_reason;
  }
  for (int i = 0; i < 3; ++i) CollectAfter(absl::Minutes(1));
  for (const auto& [receipt, files] : kept) ExpectWhole(receipt, files);
  ExpectAddsUp();
}

}  // namespace
}  // namespace mooring::testing
