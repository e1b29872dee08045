// Jobs that run once among several servers: leases, turns, and a holder that dies.

#include "server/jobs/leased_rounds.h"

#include <absl/time/clock.h>
#include <gmock/gmock.h>

#include "storage/catalog/collection_store.h"
#include "storage/catalog/server_store.h"
#include "tests/integration/server/server_fixture.h"
#include "tests/integration/storage/catalog/postgres_fixture.h"

namespace mooring::testing {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLease = absl::Milliseconds(600);
constexpr absl::Duration kAlways = absl::ZeroDuration();

class LeasedRoundsTest : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    a_ = std::make_unique<server::LeasedRounds>(catalog(), clock(), log_, "a", kLease);
    b_ = std::make_unique<server::LeasedRounds>(catalog(), clock(), log_, "b", kLease);
  }

  // What the database says, whoever asks.
  std::string Holder() {
    std::string holder;
    const absl::Status read = catalog().Run(ctx(), [&](storage::Transaction& tx) -> absl::Status {
      const auto lease = tx.collection().GetLease("job");
      if (lease.ok()) holder = *lease ? (*lease)->holder : "";
      return lease.status();
    });
    EXPECT_TRUE(read.ok()) << read;
    return holder;
  }
  // Another holder takes it by force, as when this one's was over unnoticed.
  void Steal() {
    ASSERT_TRUE(
        catalog()
            .Run(ctx(),
                 [&](storage::Transaction& tx) -> absl::Status {
                   const absl::Status released = tx.collection().ReleaseLease("job", "a");
                   if (!released.ok()) return released;
                   return tx.collection().AcquireLease("job", "thief", absl::Minutes(1)).status();
                 })
            .ok());
  }
  std::function<absl::Status(const OpContext&)> Counting() {
    return [this](const OpContext&) {
      ++rounds_;
      return absl::OkStatus();
    };
  }

  MemoryLog log_;
  int rounds_ = 0;
  std::unique_ptr<server::LeasedRounds> a_;
  std::unique_ptr<server::LeasedRounds> b_;
};

TEST_F(LeasedRoundsTest, OneOfTwoServersRunsARound) {
  const absl::Status done = a_->Run(ctx(), "job", kAlways, [&](const OpContext&) {
    EXPECT_EQ(Holder(), "a");
    const absl::Status other = b_->Run(ctx(), "job", kAlways, Counting());
    EXPECT_TRUE(other.ok()) << other;
    return absl::OkStatus();
  });
  ASSERT_TRUE(done.ok()) << done;
  EXPECT_EQ(rounds_, 0);
  EXPECT_EQ(Holder(), "") << "given back";
  ASSERT_TRUE(b_->Run(ctx(), "job", kAlways, Counting()).ok());
  EXPECT_EQ(rounds_, 1);
}

TEST_F(LeasedRoundsTest, ARoundBeginsOnceAPeriodOnWhateverServer) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(a_->Run(ctx(), "job", absl::Hours(1), Counting()).ok());
    ASSERT_TRUE(b_->Run(ctx(), "job", absl::Hours(1), Counting()).ok());
  }
  EXPECT_EQ(rounds_, 1);
  ASSERT_TRUE(b_->Run(ctx(), "another", absl::Hours(1), Counting()).ok());
  EXPECT_EQ(rounds_, 2);
}

TEST_F(LeasedRoundsTest, TheLeaseIsRenewedWhileTheRoundWorks) {
  const absl::Status done = a_->Run(ctx(), "job", kAlways, [&](const OpContext& round) {
    const absl::Time until = absl::Now() + 3 * kLease;
    while (absl::Now() < until) {
      EXPECT_FALSE(round.stop.stop_requested());
      EXPECT_TRUE(b_->Run(ctx(), "job", kAlways, Counting()).ok());
      absl::SleepFor(absl::Milliseconds(20));
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(done.ok()) << done;
  EXPECT_EQ(rounds_, 0);
}

TEST_F(LeasedRoundsTest, ARoundThatHasLostItsLeaseIsToldToStop) {
  const absl::Status done = a_->Run(ctx(), "job", kAlways, [&](const OpContext& round) {
    Steal();
    const absl::Time until = absl::Now() + absl::Seconds(30);
    while (!round.stop.stop_requested() && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    return round.stop.stop_requested() ? absl::CancelledError("stopped") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsAborted(done)) << done;
  EXPECT_EQ(Holder(), "thief") << "what is another's is not given back";
  EXPECT_THAT(log_.text(), HasSubstr("job.lease_lost"));
}

TEST_F(LeasedRoundsTest, WhatAServerThatDiedHeldIsTakenOverOnceItsLeaseIsOver) {
  ASSERT_TRUE(catalog()
                  .Run(ctx(),
                       [&](storage::Transaction& tx) {
                         return tx.collection().AcquireLease("job", "dead", kLease).status();
                       })
                  .ok());
  ASSERT_TRUE(b_->Run(ctx(), "job", kAlways, Counting()).ok());
  EXPECT_EQ(rounds_, 0);
  const absl::Time until = absl::Now() + absl::Seconds(30);
  while (rounds_ == 0 && absl::Now() < until) {
    ASSERT_TRUE(b_->Run(ctx(), "job", kAlways, Counting()).ok());
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(rounds_, 1);
}

TEST_F(LeasedRoundsTest, ARoundThatFailsGivesItsLeaseBackAndSaysWhy) {
  const absl::Status failed =
      a_->Run(ctx(), "job", kAlways, [](const OpContext&) { return absl::DataLossError("bad"); });
  EXPECT_TRUE(absl::IsDataLoss(failed));
  EXPECT_EQ(Holder(), "");
}

}  // namespace
}  // namespace mooring::testing
