// What the repository promises while nothing fails.

#include <thread>

#include "tests/integration/storage/repository/repository_fixture.h"

namespace mooring::testing {
namespace {

using storage::BegunSession;
using storage::CommitOutcome;

TEST_F(RepositoryTest, ASnapshotReadsBackBitExactAlsoAfterARestart) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  ExpectHolds(receipt, files_);
  Reopen();
  ExpectHolds(receipt, files_);
  EXPECT_EQ(receipt.sequence(), 1u);
  const auto row = SnapshotRow(SnapshotOf(receipt));
  ASSERT_TRUE(row);
  EXPECT_EQ(row->file_count, files_.size());
  EXPECT_EQ(row->person, alice_);
  EXPECT_EQ(row->new_bytes, row->referenced_bytes);
  EXPECT_EQ(*repository().CountOrphanRecords({}), 0u);
}

TEST_F(RepositoryTest, AnIncrementalStoresWhatChangedAndReadsItsBase) {
  const v1::Receipt first = BackUp(phone_, desk_, files_);
  const absl::StatusOr<BegunSession> session = Begin(phone_, desk_);
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_TRUE(session->base) << "the agent of the first backup is not admitted";
  EXPECT_EQ(session->base->snapshot, SnapshotOf(first));
  EXPECT_EQ(session->sequence, 2u);

  const Files files = Changed(files_, 1);
  const v1::Receipt second = BackUp(phone_, desk_, files);
  ExpectHolds(first, files_);
  ExpectHolds(second, files);
  EXPECT_LT(second.stored_bytes(), first.stored_bytes());
  EXPECT_EQ(SnapshotRow(SnapshotOf(second))->parent, SnapshotOf(first));
}

TEST_F(RepositoryTest, ASecondPhoneOfThePersonStoresNothingTwice) {
  BackUp(phone_, desk_, files_);
  const v1::Receipt receipt = BackUp(second_phone_, desk_, files_);
  ExpectHolds(receipt, files_);
  EXPECT_EQ(receipt.stored_bytes(), 0u);
}

TEST_F(RepositoryTest, BeginAndCommitAnswerTheSameAgain) {
  const Bytes key(16, std::byte{7});
  const storage::BeginOptions options{.idempotency_key = key,
                                      .device = phone_,
                                      .agent = desk_,
                                      .captures = {v1::CAPTURE_KIND_FULL},
                                      .lease = absl::Minutes(10)};
  const auto one = repository().Begin({}, options);
  const auto two = repository().Begin({}, options);
  ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
  EXPECT_EQ(one->session, two->session);
  EXPECT_EQ(one->snapshot, two->snapshot);
  EXPECT_TRUE(SecretBytes::Equal(one->snapshot_key.view(), two->snapshot_key.view()));
  storage::BeginOptions other = options;
  other.device = second_phone_;
  EXPECT_TRUE(absl::IsInvalidArgument(repository().Begin({}, other).status()));

  const SealedTree tree = *SealFiles(*one, files_, time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, *one, desk_, tree).ok());
  const auto committed = repository().Commit({}, desk_, tree.request);
  ASSERT_TRUE(committed.ok() && committed->receipt) << committed.status();
  time_.Advance(absl::Minutes(1));
  Reopen();
  const auto again = repository().Commit({}, desk_, tree.request);
  ASSERT_TRUE(again.ok() && again->receipt) << again.status();
  EXPECT_EQ(again->receipt->SerializeAsString(), committed->receipt->SerializeAsString());
  v1::CommitSnapshotRequest changed = tree.request;
  changed.set_idempotency_key(std::string(16, 'x'));
  EXPECT_TRUE(absl::IsFailedPrecondition(repository().Commit({}, desk_, changed).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(repository().Begin({}, options).status()));
}

TEST_F(RepositoryTest, MissingChunksAreNamedAndNothingIsCommitted) {
  const BegunSession session = *Begin(phone_, desk_);
  const SealedTree tree = *SealFiles(session, files_, time_, system_random_);
  const auto nothing_there = repository().Commit({}, desk_, tree.request);
  ASSERT_TRUE(nothing_there.ok()) << nothing_there.status();
  EXPECT_FALSE(nothing_there->receipt);
  EXPECT_EQ(nothing_there->missing.size(), tree.chunks.size());
  EXPECT_TRUE(Keys("snapshots/").empty());

  SealedTree part = tree;
  const ChunkId left_out = part.chunks.back().chunk.id;
  part.chunks.pop_back();
  ASSERT_TRUE(UploadTree(repository(), {}, session, desk_, part).ok());
  const auto one_missing = repository().Commit({}, desk_, tree.request);
  ASSERT_TRUE(one_missing.ok()) << one_missing.status();
  EXPECT_EQ(one_missing->missing, std::vector<ChunkId>{left_out});

  ASSERT_TRUE(UploadTree(repository(), {}, session, desk_, tree).ok());
  const auto committed = repository().Commit({}, desk_, tree.request);
  ASSERT_TRUE(committed.ok() && committed->receipt) << committed.status();
  ExpectHolds(*committed->receipt, files_);
}

TEST_F(RepositoryTest, OneCommitFromTwoServersMakesOneSnapshot) {
  const BegunSession session = *Begin(phone_, desk_);
  const SealedTree tree = *SealFiles(session, files_, time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, session, desk_, tree).ok());
  auto other =
      storage::Repository::Open({}, *faulty_catalog_, store_, *kek_, time_, system_random_);
  ASSERT_TRUE(other.ok());
  absl::StatusOr<CommitOutcome> outcomes[4];
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        outcomes[i] = (i % 2 == 0 ? repository() : **other).Commit({}, desk_, tree.request);
      });
    }
  }
  std::string receipt;
  for (const auto& outcome : outcomes) {
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    ASSERT_TRUE(outcome->receipt);
    if (receipt.empty()) receipt = outcome->receipt->SerializeAsString();
    EXPECT_EQ(outcome->receipt->SerializeAsString(), receipt);
  }
  EXPECT_EQ(Keys("snapshots/").size(), 1u);
}

TEST_F(RepositoryTest, TwoPhonesOfOnePersonRaceWithTheSameChunks) {
  absl::StatusOr<v1::Receipt> receipts[2];
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&, i] {
        BackupOptions options;
        options.device = i == 0 ? phone_ : second_phone_;
        options.agent = i == 0 ? desk_ : other_desk_;
        receipts[i] = Backup(repository(), {}, options, files_, time_, system_random_);
      });
    }
  }
  for (const auto& receipt : receipts) {
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    ExpectHolds(*receipt, files_);
  }
  // Each chunk became a row once, whoever came first.
  EXPECT_EQ(receipts[0]->stored_bytes() + receipts[1]->stored_bytes(),
            SnapshotRow(SnapshotOf(*receipts[0]))->referenced_bytes);
}

TEST_F(RepositoryTest, OneOpenSessionADevice) {
  const BegunSession first = *Begin(phone_, desk_);
  EXPECT_TRUE(absl::IsFailedPrecondition(Begin(phone_, other_desk_).status()));
  const BegunSession second = *Begin(phone_, desk_);
  EXPECT_NE(first.session, second.session);
  EXPECT_TRUE(absl::IsFailedPrecondition(repository().Upload({}, first.session, desk_).status()));
  EXPECT_TRUE(repository().Upload({}, second.session, desk_).ok());
  EXPECT_TRUE(
      absl::IsPermissionDenied(repository().Upload({}, second.session, other_desk_).status()));
}

TEST_F(RepositoryTest, ASessionEndsWithItsLease) {
  const BegunSession session = *Begin(phone_, desk_);
  const SealedTree tree = *SealFiles(session, files_, time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, session, desk_, tree).ok());
  time_.Advance(absl::Minutes(9));
  ASSERT_TRUE(repository().Touch({}, session.session, desk_, absl::Minutes(10), nullptr).ok());
  time_.Advance(absl::Minutes(9));
  EXPECT_EQ(*repository().ExpireSessions({}), 0);
  time_.Advance(absl::Minutes(2));
  EXPECT_EQ(*repository().ExpireSessions({}), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(repository().Commit({}, desk_, tree.request).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      repository().Touch({}, session.session, desk_, absl::Minutes(10), nullptr)));
  // What it had uploaded is still worth something.
  const v1::Receipt receipt = BackUp(phone_, other_desk_, files_);
  ExpectHolds(receipt, files_);
  EXPECT_LT(receipt.stored_bytes(), 10'000u);
}

TEST_F(RepositoryTest, AnOverdueSessionGivesWayToAnotherAgent) {
  ASSERT_TRUE(Begin(phone_, desk_).ok());
  time_.Advance(absl::Minutes(11));
  EXPECT_TRUE(Begin(phone_, other_desk_).ok());
}

TEST_F(RepositoryTest, AbortGivesTheDeviceBackAndSaysWhy) {
  const BegunSession session = *Begin(phone_, desk_);
  EXPECT_TRUE(absl::IsPermissionDenied(
      repository().Abort({}, session.session, other_desk_, v1::CAUSE_UNPLUGGED, "")));
  for (int i = 0; i < 2; ++i) {
    const absl::Status aborted =
        repository().Abort({}, session.session, desk_, v1::CAUSE_UNPLUGGED, "cable \xff out");
    EXPECT_TRUE(aborted.ok()) << aborted;
  }
  EXPECT_TRUE(Begin(phone_, other_desk_).ok());
  ASSERT_TRUE(catalog()
                  .Run({},
                       [&](storage::Transaction& tx) {
                         const auto device = tx.devices().Get(phone_);
                         EXPECT_EQ((*device)->last_cause, v1::CAUSE_UNPLUGGED);
                         EXPECT_EQ((*device)->last_message, "cable ? out");
                         return absl::OkStatus();
                       })
                  .ok());
}

TEST_F(RepositoryTest, AnUnboundPhoneIsRefused) {
  const DeviceId id = DeviceId::Make(system_random_);
  v1::DeviceFacts facts;
  facts.set_platform(v1::PLATFORM_IOS);
  facts.set_serial("STRAY");
  ASSERT_TRUE(catalog()
                  .Run({},
                       [&](storage::Transaction& tx) {
                         return tx.devices().Attach(id, facts, desk_, time_.Now()).status();
                       })
                  .ok());
  const absl::Status refused = Begin(id, desk_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_NE(refused.ToString().find("device assign"), std::string::npos);
  EXPECT_TRUE(absl::IsNotFound(Begin(DeviceId::Make(system_random_), desk_).status()));
}

TEST_F(RepositoryTest, DeletingOneGenerationLeavesTheOthersBitExact) {
  std::vector<v1::Receipt> receipts;
  std::vector<Files> generations;
  for (std::uint64_t i = 0; i < 4; ++i) {
    generations.push_back(Changed(files_, i));
    receipts.push_back(BackUp(phone_, desk_, generations.back()));
  }
  for (const std::size_t gone : {std::size_t{1}, std::size_t{3}, std::size_t{0}}) {
    const SnapshotId id = SnapshotOf(receipts[gone]);
    const absl::Status deleted = repository().Delete({}, id, "account:root", "a test");
    ASSERT_TRUE(deleted.ok()) << deleted;
    EXPECT_TRUE(repository().Delete({}, id, "account:root", "a test").ok());
    EXPECT_TRUE(absl::IsNotFound(repository().OpenSnapshot({}, id).status()));
    EXPECT_TRUE(SnapshotRow(id)->deleted_at);
    EXPECT_TRUE(Keys("keys/snapshot/" + id.hex()).empty());
    EXPECT_EQ(Keys("snapshots/" + id.hex() + ".gone").size(), 1u);
    ExpectHolds(receipts[2], generations[2]);
  }
  Reopen();
  ExpectHolds(receipts[2], generations[2]);
  // The base is the newest that is left, and a backup upon it works.
  EXPECT_EQ(Begin(phone_, desk_)->base->snapshot, SnapshotOf(receipts[2]));
  ExpectHolds(BackUp(phone_, desk_, generations[3]), generations[3]);
}

TEST_F(RepositoryTest, VerifyReadsEveryChunkAndRecordsIt) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  int calls = 0;
  const auto result = repository().Verify({}, SnapshotOf(receipt),
                                          [&calls](const storage::VerifyResult&) { ++calls; });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->chunks_checked, result->chunks_total);
  EXPECT_EQ(result->chunks_total, SnapshotRow(SnapshotOf(receipt))->chunk_count);
  EXPECT_EQ(result->bytes_checked, receipt.stored_bytes());
  EXPECT_TRUE(result->damaged.empty());
  EXPECT_GT(calls, 0);
  EXPECT_TRUE(SnapshotRow(SnapshotOf(receipt))->verified_at);
}

TEST_F(RepositoryTest, StoreAndCatalogOfDifferentRepositoriesAreRefused) {
  EXPECT_TRUE(absl::IsAlreadyExists(
      storage::Repository::Create({}, *faulty_catalog_, store_, *kek_, time_, system_random_)));
  storage::MemoryObjectStore empty(time_);
  EXPECT_TRUE(absl::IsFailedPrecondition(
      storage::Repository::Open({}, *faulty_catalog_, empty, *kek_, time_, system_random_)
          .status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      storage::Repository::Create({}, *faulty_catalog_, empty, *kek_, time_, system_random_)));
  auto second = TestDatabase::Make();
  ASSERT_TRUE(second.ok());
  auto catalog = storage::PgCatalog::Open(ctx(), {.url = (*second)->url()}, clock(), random());
  ASSERT_TRUE(catalog.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(
      storage::Repository::Open({}, **catalog, store_, *kek_, time_, system_random_).status()));
  ASSERT_TRUE(storage::Repository::Create({}, **catalog, empty, *kek_, time_, system_random_).ok());
  const absl::Status swapped =
      storage::Repository::Open({}, **catalog, store_, *kek_, time_, system_random_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(swapped)) << swapped;
}

TEST_F(RepositoryTest, UploadRefusesWhatIsNoSealedChunk) {
  const BegunSession session = *Begin(phone_, desk_);
  const SealedTree tree = *SealFiles(session, files_, time_, system_random_);
  auto upload = repository().Upload({}, session.session, desk_);
  ASSERT_TRUE(upload.ok()) << upload.status();
  const SealedForDomain& good = tree.chunks.front();
  EXPECT_TRUE(absl::IsInvalidArgument((*upload)->Put({}, good.domain, AsBytes("plain text"))));
  Bytes other_suite = good.chunk.bytes;
  other_suite[0] = std::byte{9};
  EXPECT_TRUE(absl::IsInvalidArgument((*upload)->Put({}, good.domain, other_suite)));
  EXPECT_TRUE(absl::IsInvalidArgument(
      (*upload)->Put({}, DomainId::Make(system_random_), good.chunk.bytes)));
  // And goes on.
  EXPECT_TRUE((*upload)->Put({}, good.domain, good.chunk.bytes).ok());
  EXPECT_EQ((*upload)->durable_count(), 0u);
  EXPECT_TRUE((*upload)->Close({}).ok());
  EXPECT_EQ((*upload)->durable_count(), 1u);
  EXPECT_EQ((*upload)->new_bytes(), good.chunk.bytes.size());
}

TEST_F(RepositoryTest, ANewerUploadTakesOverAndRepeatingCostsNothing) {
  const BegunSession session = *Begin(phone_, desk_);
  const SealedTree tree = *SealFiles(session, files_, time_, system_random_);
  auto broken = repository().Upload({}, session.session, desk_);
  ASSERT_TRUE(broken.ok());
  ASSERT_TRUE((*broken)->Put({}, tree.chunks[0].domain, tree.chunks[0].chunk.bytes).ok());
  ASSERT_TRUE((*broken)->Close({}).ok());
  ASSERT_TRUE((*broken)->Put({}, tree.chunks[1].domain, tree.chunks[1].chunk.bytes).ok());

  ASSERT_TRUE(UploadTree(repository(), {}, session, desk_, tree, /*all=*/true).ok());
  EXPECT_TRUE(absl::IsAborted((*broken)->Close({})));
  broken->reset();
  const auto committed = repository().Commit({}, desk_, tree.request);
  ASSERT_TRUE(committed.ok() && committed->receipt) << committed.status();
  ExpectHolds(*committed->receipt, files_);
  std::uint64_t sealed_bytes = 0;
  for (const SealedForDomain& sealed : tree.chunks) sealed_bytes += sealed.chunk.bytes.size();
  EXPECT_EQ(committed->receipt->stored_bytes(), sealed_bytes);
}

}  // namespace
}  // namespace mooring::testing
