// Stores that lie once: a byte that goes wrong on its way, an object that was kept
// by half. Nothing is accused, stopped or removed because of it. Over the memory
// catalog, so that every call can have its turn.

#include <functional>

#include <gtest/gtest.h>

#include "storage/care/scrub.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/collection_store.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/person_store.h"
#include "storage/collection/collector.h"
#include "storage/objects/faulty_object_store.h"
#include "storage/objects/memory_object_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/key_custody.h"
#include "storage/repository/whole_object.h"
#include "tests/sim/memory_catalog/memory_catalog.h"
#include "tests/sim/sim_server.h"
#include "tests/support/synthetic_snapshot.h"

namespace mooring::testing {
namespace {

using storage::ObjectFault;
using storage::Transaction;

class WholeObjectTest : public ::testing::Test {
 protected:
  ManualClock time_{absl::FromUnixSeconds(1'700'000'000)};
  storage::MemoryObjectStore memory_{time_};
  storage::FaultyObjectStore store_{memory_};
  const std::string key_ = "keys/some";
  const Bytes good_ = ToBytes("all of the bytes");
  const Bytes half_ = ToBytes("all of");
};

TEST_F(WholeObjectTest, OneWrongReadIsNotBelieved) {
  ASSERT_TRUE(memory_.Put({}, key_, good_, {}).ok());
  for (std::uint64_t n = 1; n <= 4; ++n) {
    store_.FailCall(n, ObjectFault::kFlipByte);
    const auto read = storage::ReadSettledObject(store_, {}, key_, 100);
    EXPECT_TRUE(read.ok() ? *read == good_ : absl::IsUnavailable(read.status()))
        << n << read.status();
    store_.Heal();
  }
}

TEST_F(WholeObjectTest, AnEqualObjectThatWasThereSurvivesAWrongRead) {
  ASSERT_TRUE(memory_.Put({}, key_, good_, {}).ok());
  for (std::uint64_t n = 1; n <= 4; ++n) {
    store_.FailCall(n, ObjectFault::kFlipByte);
    storage::PutAndReadBack(store_, {}, key_, good_).IgnoreError();
    store_.Heal();
    EXPECT_TRUE(memory_.Stat({}, key_).ok()) << n;
  }
}

TEST_F(WholeObjectTest, WhatIsTornIsReplacedByTheHolderOfTheLockAlone) {
  store_.FailCall(1, ObjectFault::kShortStore);
  EXPECT_TRUE(absl::IsAlreadyExists(storage::PutChecked(store_, {}, key_, good_)));
  EXPECT_TRUE(memory_.Stat({}, key_).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(storage::PutChecked(store_, {}, key_, good_)));
  EXPECT_TRUE(storage::ReplaceChecked(store_, {}, key_, good_).ok());
  EXPECT_EQ(*storage::ReadWholeObject(memory_, {}, key_, 100), good_);
  // One that is good by now stays: it is not even for a moment away.
  const std::uint64_t before = store_.calls();
  EXPECT_TRUE(storage::ReplaceChecked(store_, {}, key_, good_).ok());
  EXPECT_EQ(store_.calls() - before, 2u);
  // Nor does a store that does not answer remove anything.
  store_.FailCall(2, ObjectFault::kFailBefore);
  EXPECT_TRUE(absl::IsUnavailable(storage::ReplaceChecked(store_, {}, key_, half_)));
  EXPECT_EQ(*storage::ReadWholeObject(memory_, {}, key_, 100), good_);
}

class WrongReadsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(storage::Repository::Create({}, catalog_, store_, kek_, time_, random_).ok());
    ASSERT_TRUE(Open().ok());
    const absl::Status added = catalog_.Run({}, [&](Transaction& tx) -> absl::Status {
      storage::PersonRecord person;
      person.id = PersonId::Make(random_);
      person.handle = "alice";
      MOORING_RETURN_IF_ERROR(tx.people().Create(person));
      storage::AgentRecord agent;
      agent.id = desk_ = AgentId::Make(random_);
      agent.hpke_public_key = agent.key_hash = Bytes(32);
      MOORING_RETURN_IF_ERROR(tx.agents().Create(agent));
      v1::DeviceFacts facts;
      facts.set_platform(v1::PLATFORM_IOS);
      facts.set_serial("PHONE");
      phone_ = DeviceId::Make(random_);
      MOORING_RETURN_IF_ERROR(tx.devices().Attach(phone_, facts, desk_, time_.Now()).status());
      return tx.devices().Assign(phone_, person.id).status();
    });
    ASSERT_TRUE(added.ok()) << added;
    storage::KeyCustody custody(catalog_, memory_, kek_, time_, random_);
    auto key = custody.OrganizationKey({}, storage::KeyPurpose::kPackIndexKey);
    ASSERT_TRUE(key.ok());
    pack_index_key_ = *std::move(key);
  }

  absl::Status Open() {
    auto opened = storage::Repository::Open({}, catalog_, store_, kek_, time_, random_);
    if (opened.ok()) repository_ = *std::move(opened);
    return opened.status();
  }

  absl::StatusOr<v1::Receipt> TryBackUp(std::uint64_t number) {
    BackupOptions options;
    options.device = phone_;
    options.agent = desk_;
    return Backup(*repository_, {}, options, FilesOf(number), time_, random_);
  }
  SnapshotId BackUp(std::uint64_t number) {
    const auto receipt = TryBackUp(number);
    EXPECT_TRUE(receipt.ok()) << receipt.status();
    return receipt.ok() ? SnapshotOf(*receipt) : SnapshotId();
  }
  static Files FilesOf(std::uint64_t number) {
    return {{"full/a", SyntheticContent(1, 300)}, {"full/b", SyntheticContent(number, 400)}};
  }
  void ExpectHolds(const SnapshotId& snapshot, std::uint64_t number) {
    const auto files = ReadSnapshot(*repository_, {}, snapshot);
    ASSERT_TRUE(files.ok()) << files.status();
    EXPECT_TRUE(*files == FilesOf(number));
  }

  absl::StatusOr<v1::CollectionReport> Collect() {
    storage::CollectionOptions options;
    options.pack_age_min = options.condemned_for = absl::ZeroDuration();
    options.doomed_for = options.orphan_age_min = absl::ZeroDuration();
    options.marks_min = 0;
    storage::CatalogClock database_clock(catalog_);
    storage::CollectionParts parts{.catalog = catalog_,
                                   .objects = store_,
                                   .clock = time_,
                                   .random = random_,
                                   .pack_index_key = pack_index_key_,
                                   .database_clock = database_clock};
    time_.Advance(absl::Minutes(1));
    return storage::Collector(parts, options)
        .Collect({}, {}, [](std::string_view, std::uint64_t, std::uint64_t) {});
  }
  std::string StopReason() {
    return catalog_.tables().collection_state.Committed(Tables::kOne)->stop_reason;
  }

  // As a commit that broke off between its record and its row.
  std::string ForgetRowOf(const SnapshotId& snapshot) {
    const std::string key = storage::CommitRecordObjectKey(snapshot);
    const auto body = storage::ReadWholeObject(memory_, {}, key, 1 << 20);
    EXPECT_TRUE(body.ok());
    std::string other = storage::CommitRecordObjectKey(SnapshotId::Make(random_));
    EXPECT_TRUE(memory_.Put({}, other, *body, {}).ok());
    return other;
  }

  // Runs `attempt` with each of its calls going wrong, each in its turn.
  void EachCall(ObjectFault fault, const std::function<void(std::uint64_t n)>& attempt) {
    bool struck = true;
    for (std::uint64_t n = 1; struck && !HasFailure(); ++n) {
      SCOPED_TRACE(fmt::format("call {}", n));
      ASSERT_LT(n, 400u);
      const std::uint64_t before = store_.faults();
      store_.FailCall(n, fault);
      attempt(n);
      struck = store_.faults() > before;
      store_.Heal();
    }
  }

  ManualClock time_{absl::FromUnixSeconds(1'700'000'000)};
  Dice random_{7};
  ThreadTurns turns_;
  MemoryCatalog catalog_{time_, turns_};
  storage::MemoryObjectStore memory_{time_};
  storage::FaultyObjectStore store_{memory_};
  PlainKek kek_;
  std::unique_ptr<storage::Repository> repository_;
  SecretBytes pack_index_key_;
  AgentId desk_;
  DeviceId phone_;
};

TEST_F(WrongReadsTest, AnOpenAccusesNobody) {
  const SnapshotId snapshot = BackUp(1);
  EachCall(ObjectFault::kFlipByte, [&](std::uint64_t) {
    const absl::Status opened = Open();
    EXPECT_TRUE(opened.ok() || absl::IsUnavailable(opened)) << opened;
  });
  ExpectHolds(snapshot, 1);
}

TEST_F(WrongReadsTest, ARoundIsNeitherStoppedNorWrong) {
  const SnapshotId kept = BackUp(1'000);
  std::optional<SnapshotId> previous;
  std::string rowless;
  EachCall(ObjectFault::kFlipByte, [&](std::uint64_t n) {
    store_.Heal();
    if (previous) {
      ASSERT_TRUE(repository_->Delete({}, *previous, "server", "a test").ok());
    }
    previous = BackUp(n);
    rowless = ForgetRowOf(*previous);
    const PackId stranger = PackId::Make(random_);
    ASSERT_TRUE(memory_.Put({}, storage::PackObjectKey(stranger), Bytes(100), {}).ok());
    store_.FailCall(n, ObjectFault::kFlipByte);
    const absl::Status tried = Collect().status();
    store_.Heal();
    EXPECT_TRUE(tried.ok() || absl::IsUnavailable(tried)) << tried;
    EXPECT_EQ(StopReason(), "");
    ExpectHolds(*previous, n);
    // Without the record the rest can go, too.
    ASSERT_TRUE(memory_.Remove({}, rowless).ok());
    for (int i = 0; i < 2; ++i) {
      const absl::Status again = Collect().status();
      EXPECT_TRUE(again.ok()) << again;
    }
    ExpectHolds(*previous, n);
    ExpectHolds(kept, 1'000);
  });
}

TEST_F(WrongReadsTest, ATornDoomJournalIsWrittenAnew) {
  const SnapshotId kept = BackUp(1);
  ASSERT_TRUE(repository_->Delete({}, BackUp(2), "server", "a test").ok());
  // As the newest round but one left it.
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Collect().ok());
  ASSERT_TRUE(repository_->Delete({}, BackUp(3), "server", "a test").ok());
  const std::string torn = storage::DoomJournalObjectKey(2);
  ASSERT_TRUE(memory_.Remove({}, torn).ok());
  ASSERT_TRUE(memory_.Put({}, torn, Bytes(50), {}).ok());
  std::uint64_t removed = 0;
  for (int i = 0; i < 6; ++i) {
    const auto report = Collect();
    ASSERT_TRUE(report.ok()) << report.status();
    removed += report->packs_removed().objects();
  }
  EXPECT_GT(removed, 0u);
  EXPECT_EQ(StopReason(), "");
  EXPECT_TRUE(absl::IsNotFound(memory_.Stat({}, torn).status()));
  ExpectHolds(kept, 1);
}

TEST_F(WrongReadsTest, AScrubEndsAfterTheClockWasSetBack) {
  const SnapshotId kept = BackUp(1);
  ASSERT_TRUE(catalog_
                  .Run({},
                       [&](Transaction& tx) {
                         storage::CareState state;
                         state.scrub_pass_at = time_.Now() + absl::Hours(5);
                         return tx.care().SetState(state);
                       })
                  .ok());
  storage::Scrubber scrubber({.catalog = catalog_,
                              .objects = store_,
                              .pack_index_key = pack_index_key_,
                              .clock = time_,
                              .random = random_},
                             {});
  OpContext ctx;
  std::stop_source stop;
  ctx.stop = stop.get_token();
  const auto scrubbed = scrubber.Run(ctx, true, [&](const storage::ScrubProgress& progress) {
    if (progress.packs_done > 10) stop.request_stop();
  });
  ASSERT_TRUE(scrubbed.ok()) << scrubbed.status();
  EXPECT_TRUE(scrubbed->is_complete);
  ExpectHolds(kept, 1);
}

TEST_F(WrongReadsTest, ATornRecordWithoutASnapshotKeepsEverythingAndStopsNothing) {
  const SnapshotId kept = BackUp(1);
  ASSERT_TRUE(repository_->Delete({}, BackUp(2), "server", "a test").ok());
  const std::string torn = storage::CommitRecordObjectKey(SnapshotId::Make(random_));
  ASSERT_TRUE(memory_.Put({}, torn, ToBytes("\x0aXtorn"), {}).ok());
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(absl::IsFailedPrecondition(Collect().status()));
    EXPECT_EQ(StopReason(), "");
  }
  ASSERT_TRUE(memory_.Remove({}, torn).ok());
  std::uint64_t removed = 0;
  for (int i = 0; i < 4; ++i) {
    const auto report = Collect();
    ASSERT_TRUE(report.ok()) << report.status();
    removed += report->packs_removed().objects();
  }
  EXPECT_GT(removed, 0u);
  ExpectHolds(kept, 1);
}

TEST_F(WrongReadsTest, ALonePackOfOneSmallChunkIsNotRewrittenByEveryRound) {
  const SnapshotId kept = BackUp(1);
  std::uint64_t made = 1;
  for (int i = 0; i < 5; ++i) {
    const auto report = Collect();
    ASSERT_TRUE(report.ok()) << report.status();
    made = report->packs_made().objects();
  }
  EXPECT_EQ(made, 0u);
  ExpectHolds(kept, 1);
}

TEST_F(WrongReadsTest, ASecondDeletionNeverTakesTheTombstoneAway) {
  for (const ObjectFault fault : {ObjectFault::kFlipByte, ObjectFault::kFailBefore,
                                  ObjectFault::kFailAfter, ObjectFault::kShortStore}) {
    const SnapshotId snapshot = BackUp(static_cast<std::uint64_t>(fault));
    ASSERT_TRUE(repository_->Delete({}, snapshot, "account:anna", "a test").ok());
    EachCall(fault, [&](std::uint64_t) {
      repository_->Delete({}, snapshot, "server", "again").IgnoreError();
      EXPECT_TRUE(memory_.Stat({}, storage::TombstoneObjectKey(snapshot)).ok());
    });
  }
}

TEST_F(WrongReadsTest, ATornTombstoneIsReplaced) {
  const SnapshotId snapshot = BackUp(1);
  ASSERT_TRUE(memory_.Put({}, storage::TombstoneObjectKey(snapshot), Bytes(20), {}).ok());
  ASSERT_TRUE(repository_->Delete({}, snapshot, "account:anna", "a test").ok());
  EXPECT_GT(memory_.Stat({}, storage::TombstoneObjectKey(snapshot))->size_bytes, 20u);
}

TEST_F(WrongReadsTest, WhatACommitFindsTornItReplaces) {
  EachCall(ObjectFault::kShortStore, [&](std::uint64_t n) {
    const auto receipt = TryBackUp(n);
    store_.Heal();
    if (receipt.ok()) {
      ExpectHolds(SnapshotOf(*receipt), n);
    } else {
      EXPECT_TRUE(absl::IsUnavailable(receipt.status())) << receipt.status();
    }
  });
}

}  // namespace
}  // namespace mooring::testing
