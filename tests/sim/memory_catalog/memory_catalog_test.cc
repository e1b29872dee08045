// What MemoryCatalog promises beyond the contract of every catalog: conflicts
// between transactions that run at once, faults, and travel in time.

#include "tests/sim/memory_catalog/memory_catalog.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "storage/base/status.h"
#include "tests/contract/storage/catalog/catalog_contract.h"

namespace mooring::testing {
namespace {

using storage::Must;
using storage::Transaction;

class MemoryCatalogTest : public ::testing::Test {
 protected:
  // Fails the commit that is told to.
  class FaultyTurns final : public ThreadTurns {
   public:
    CommitFault BeforeCommit() override { return std::exchange(next, CommitFault::kNone); }
    CommitFault next = CommitFault::kNone;
  };

  absl::Status Add(const std::string& handle) {
    return catalog_.Run({}, [&](Transaction& tx) { return tx.people().Create(Person(handle)); });
  }
  storage::PersonRecord Person(const std::string& handle) {
    storage::PersonRecord record;
    record.id = PersonId::Make(random_);
    record.handle = handle;
    return record;
  }
  std::uint64_t People() {
    std::uint64_t count = 0;
    Must(catalog_.Run({}, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(count, tx.people().Count());
      return absl::OkStatus();
    }));
    return count;
  }

  SystemClock clock_;
  SeededRandom random_{7};
  FaultyTurns turns_;
  MemoryCatalog catalog_{clock_, turns_};
};

TEST_F(MemoryCatalogTest, ChangesAreSeenByOthersOnlyOnceCommitted) {
  Must(catalog_.Run({}, [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.people().Create(Person("anna")));
    EXPECT_EQ(People(), 0u);
    MOORING_ASSIGN_OR_RETURN(const std::uint64_t own, tx.people().Count());
    EXPECT_EQ(own, 1u);
    return absl::OkStatus();
  }));
  EXPECT_EQ(People(), 1u);
}

TEST_F(MemoryCatalogTest, AnInsertWaitsForTheOneThatIsMakingTheSameKey) {
  for (const bool commits : {false, true}) {
    const std::string handle = commits ? "anna" : "bert";
    std::jthread rival;
    absl::Status rivals;
    catalog_
        .Run({},
             [&](Transaction& tx) -> absl::Status {
               MOORING_RETURN_IF_ERROR(tx.people().Create(Person(handle)));
               rival = std::jthread([&] { rivals = Add(handle); });
               // Time for the rival to come; it cannot end before us.
               for (int i = 0; i < 100; ++i) {
                 MOORING_RETURN_IF_ERROR(tx.people().Count().status());
               }
               return commits ? absl::OkStatus() : absl::CancelledError("no");
             })
        .IgnoreError();
    rival.join();
    EXPECT_EQ(rivals.code(), commits ? absl::StatusCode::kAlreadyExists : absl::StatusCode::kOk);
  }
}

TEST_F(MemoryCatalogTest, ARingOfWaitersIsBrokenAndTriedAgain) {
  std::atomic<int> arrived = 0;
  std::atomic<int> runs = 0;
  const auto add_both = [&](const std::string& first, const std::string& second) {
    return catalog_.Run({}, [&](Transaction& tx) -> absl::Status {
      ++runs;
      const absl::Status made = tx.people().Create(Person(first));
      if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
      ++arrived;
      while (arrived < 2) std::this_thread::yield();
      const absl::Status other = tx.people().Create(Person(second));
      return absl::IsAlreadyExists(other) ? absl::OkStatus() : other;
    });
  };
  absl::Status one, two;
  {
    std::jthread thread([&] { one = add_both("anna", "bert"); });
    two = add_both("bert", "anna");
  }
  EXPECT_TRUE(one.ok()) << one;
  EXPECT_TRUE(two.ok()) << two;
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(People(), 2u);
}

TEST_F(MemoryCatalogTest, FaultsOfTheCommitDoWhatTheySay) {
  turns_.next = CommitFault::kInDoubtDone;
  EXPECT_TRUE(storage::IsInDoubt(Add("anna")));
  EXPECT_EQ(People(), 1u);
  turns_.next = CommitFault::kInDoubtNotDone;
  EXPECT_TRUE(storage::IsInDoubt(Add("bert")));
  EXPECT_EQ(People(), 1u);
  turns_.next = CommitFault::kGone;
  EXPECT_EQ(Add("bert").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(People(), 1u);
  turns_.next = CommitFault::kConflict;
  EXPECT_TRUE(Add("bert").ok());
  EXPECT_EQ(People(), 2u);
}

TEST_F(MemoryCatalogTest, ItTravelsBackInTime) {
  Must(Add("anna"));
  const MemoryCatalog::Saved saved = catalog_.Save();
  Must(Add("bert"));
  catalog_.Restore(saved);
  EXPECT_EQ(People(), 1u);
  EXPECT_EQ(Add("anna").code(), absl::StatusCode::kAlreadyExists);
  Must(Add("bert"));
}

}  // namespace
}  // namespace mooring::testing
