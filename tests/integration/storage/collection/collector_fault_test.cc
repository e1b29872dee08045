// Every call to the store and every transaction of a round fails once, in every
// way. After each: a fresh start, a round that completes, every snapshot whole.

#include <functional>

#include "tests/integration/storage/collection/collector_fixture.h"

namespace mooring::testing {
namespace {

using storage::ObjectFault;

class CollectorFaultTest : public CollectorTest {
 protected:
  // Garbage for every step of the next round: to condemn, to compact, to sweep.
  void MakeGarbage(std::uint64_t n) {
    if (previous_) Delete(*previous_);
    previous_ = BackUp(phone_, desk_, Changed(files_, n));
    const PackId stranger = PackId::Make(system_random_);
    EXPECT_TRUE(memory_.Put({}, storage::PackObjectKey(stranger), Bytes(100), {}).ok());
    time_.Advance(absl::Minutes(1));
  }

  void FailEachCall(const std::function<void(std::uint64_t n)>& inject,
                    const std::function<std::uint64_t()>& calls,
                    const std::function<void()>& heal) {
    options_ = AtOnce();
    const Files kept_files = Changed(files_, 1'000'000);
    const v1::Receipt kept = BackUp(second_phone_, desk_, kept_files);
    bool struck = true;
    std::uint64_t failed = 0;
    for (std::uint64_t n = 1; struck; ++n, ++failed) {
      SCOPED_TRACE("call " + std::to_string(n));
      ASSERT_LT(n, 500u);
      MakeGarbage(n);
      const std::uint64_t before = calls();
      inject(n);
      const absl::Status tried = TryCollect().status();
      struck = calls() - before >= n;
      heal();
      EXPECT_FALSE(absl::IsDataLoss(tried)) << tried;
      Reopen();
      time_.Advance(absl::Minutes(1));
      const absl::Status again = TryCollect().status();
      ASSERT_TRUE(again.ok()) << again << "; the failed round said: " << tried;
      EXPECT_TRUE(State().stop_reason.empty()) << State().stop_reason;
      EXPECT_TRUE(State().recovery_reason.empty()) << State().recovery_reason;
      ExpectWhole(*previous_, Changed(files_, n));
      if (n % 8 == 0) ExpectWhole(kept, kept_files);
      EXPECT_TRUE(Plan().stock().adds_up()) << Plan().stock().DebugString();
      if (HasFailure()) return;
    }
    EXPECT_GT(failed, 20u);
    // Nothing piles up, whatever failed.
    for (int i = 0; i < 3; ++i) CollectAfter(absl::Minutes(1));
    const v1::RepositoryStock stock = Plan().stock();
    EXPECT_LE(stock.live_packs().objects(), 3u);
    EXPECT_EQ(stock.orphans().objects() + stock.staged().objects(), 0u) << stock.DebugString();
    EXPECT_LE(Keys("gc/").size(), 3u);
    ExpectWhole(kept, kept_files);
    ExpectAddsUp();
  }

  void FailEachObjectCall(ObjectFault fault) {
    FailEachCall([&](std::uint64_t n) { store_.FailCall(n, fault); },
                 [&] { return store_.calls(); }, [&] { store_.Heal(); });
  }
  void FailEachTransaction(CatalogFault fault) {
    FailEachCall([&](std::uint64_t n) { faulty_catalog_->FailCall(n, fault); },
                 [&] { return faulty_catalog_->calls(); }, [&] { faulty_catalog_->Heal(); });
  }

  std::optional<v1::Receipt> previous_;
};

TEST_F(CollectorFaultTest, StoreFailsBeforeItsEffect) {
  FailEachObjectCall(ObjectFault::kFailBefore);
}
TEST_F(CollectorFaultTest, StoreFailsAfterItsEffect) {
  FailEachObjectCall(ObjectFault::kFailAfter);
}
TEST_F(CollectorFaultTest, StoreKeepsHalfAndSaysOk) {
  FailEachObjectCall(ObjectFault::kShortStore);
}
TEST_F(CollectorFaultTest, CatalogIsNotThere) {
  FailEachTransaction(CatalogFault::kUnavailable);
}
TEST_F(CollectorFaultTest, CatalogGoesBeforeTheCommit) {
  FailEachTransaction(CatalogFault::kGoneAfterBody);
}
TEST_F(CollectorFaultTest, CatalogCommittedButTheAnswerIsLost) {
  FailEachTransaction(CatalogFault::kInDoubtDone);
}
TEST_F(CollectorFaultTest, CatalogDidNotCommitAndTheAnswerIsLost) {
  FailEachTransaction(CatalogFault::kInDoubtNotDone);
}
TEST_F(CollectorFaultTest, TheServerDiesAtEachTransaction) {
  FailEachCall([&](std::uint64_t n) { faulty_catalog_->FailFrom(n); },
               [&] { return faulty_catalog_->calls(); }, [&] { faulty_catalog_->Heal(); });
}

// A flipped byte looks like a bad chunk or a bad journal, so a round may well
// end, or stop, but nothing that a snapshot needs goes.
TEST_F(CollectorFaultTest, StoreGivesAWrongByteBack) {
  options_ = AtOnce();
  bool struck = true;
  for (std::uint64_t n = 1; struck; ++n) {
    SCOPED_TRACE("call " + std::to_string(n));
    ASSERT_LT(n, 500u);
    MakeGarbage(n);
    const std::uint64_t before = store_.calls();
    store_.FailCall(n, ObjectFault::kFlipByte);
    TryCollect().status().IgnoreError();
    struck = store_.calls() - before >= n;
    store_.Heal();
    time_.Advance(absl::Minutes(1));
    Collect();
    ExpectWhole(*previous_, Changed(files_, n));
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace mooring::testing
