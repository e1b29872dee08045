// Who may know of, reference and read which chunk.

#include "tests/integration/storage/repository/repository_fixture.h"

namespace mooring::testing {
namespace {

using storage::BegunSession;

constexpr char kApp[] = "apps/com.example/base.apk";

class RepositoryAccessTest : public RepositoryTest {
 protected:
  absl::Status ReadBase(const BegunSession& session, const AgentId& agent,
                        const std::vector<ChunkId>& ids) {
    std::size_t next = 0;
    const absl::Status read =
        repository().ReadBase({}, session.session, agent, ids, [&](ByteView sealed) {
          EXPECT_EQ(storage::ChunkIdOf(sealed), ids.at(next++));
          return absl::OkStatus();
        });
    EXPECT_EQ(next, read.ok() ? ids.size() : 0u) << "chunks came although the call failed";
    return read;
  }
  static std::vector<ChunkId> IdsOf(const SealedTree& tree, const DomainId& domain) {
    std::vector<ChunkId> ids;
    for (const SealedForDomain& sealed : tree.chunks) {
      if (sealed.domain == domain) ids.push_back(sealed.chunk.id);
    }
    return ids;
  }
};

TEST_F(RepositoryAccessTest, AnotherPersonCanNeitherFindNorReferenceMyChunks) {
  const BegunSession mine = *Begin(phone_, desk_);
  const SealedTree tree = *SealFiles(mine, files_, time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, mine, desk_, tree).ok());
  const std::vector<ChunkId> ids = IdsOf(tree, mine.person_domain.id);
  ASSERT_GT(ids.size(), 2u);

  const BegunSession bobs = *Begin(bobs_phone_, desk_);
  EXPECT_NE(bobs.person_domain.id, mine.person_domain.id);
  EXPECT_EQ(bobs.organization_domain.id, mine.organization_domain.id);
  EXPECT_TRUE(absl::IsPermissionDenied(
      repository().Find({}, bobs.session, mine.person_domain.id, ids).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(
      repository().Find({}, bobs.session, DomainId::Make(system_random_), ids).status()))
      << "a domain that does not exist must look the same";
  // In Bob's own domain they do not exist.
  const auto found = repository().Find({}, bobs.session, bobs.person_domain.id, ids);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(*found, std::vector<bool>(ids.size(), false));
  EXPECT_EQ(*repository().Find({}, mine.session, mine.person_domain.id, ids),
            std::vector<bool>(ids.size(), true));
  // And cannot be referenced, under either name.
  SealedTree lie = *SealFiles(bobs, {}, time_, system_random_);
  lie.request.clear_refs();
  lie.request.clear_base_ids();
  v1::DomainRefs* const refs = lie.request.add_refs();
  refs->set_ids(ids.front().bytes());
  refs->set_domain_id(bobs.person_domain.id.bytes());
  const auto missing = repository().Commit({}, desk_, lie.request);
  ASSERT_TRUE(missing.ok()) << missing.status();
  EXPECT_FALSE(missing->receipt);
  EXPECT_EQ(missing->missing, std::vector<ChunkId>{ids.front()});
  refs->set_domain_id(mine.person_domain.id.bytes());
  EXPECT_TRUE(absl::IsInvalidArgument(repository().Commit({}, desk_, lie.request).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(ReadBase(bobs, desk_, {ids.front()})));
}

TEST_F(RepositoryAccessTest, AnAppOfTheOrganizationsExistsForWhoeverHasSentIt) {
  const Files files = {{kApp, SyntheticContent(5, 60'000)}};
  const BegunSession alices = *Begin(phone_, desk_);
  const SealedTree tree = *SealFiles(alices, files, time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, alices, desk_, tree).ok());
  ASSERT_TRUE(repository().Commit({}, desk_, tree.request)->receipt);
  const std::vector<ChunkId> ids = IdsOf(tree, alices.organization_domain.id);
  ASSERT_EQ(ids.size(), 1u);

  const BegunSession bobs = *Begin(bobs_phone_, desk_);
  const SealedTree bobs_tree = *SealFiles(bobs, files, time_, system_random_);
  ASSERT_EQ(IdsOf(bobs_tree, bobs.organization_domain.id), ids) << "apps must deduplicate";
  EXPECT_EQ(*repository().Find({}, bobs.session, bobs.organization_domain.id, ids),
            std::vector<bool>{false});
  const auto refused = repository().Commit({}, desk_, bobs_tree.request);
  ASSERT_TRUE(refused.ok());
  EXPECT_FALSE(refused->receipt);

  const std::size_t packs = Keys("packs/").size();
  auto upload = repository().Upload({}, bobs.session, desk_);
  for (const SealedForDomain& sealed : bobs_tree.chunks) {
    if (sealed.domain != bobs.organization_domain.id) continue;
    ASSERT_TRUE((*upload)->Put({}, sealed.domain, sealed.chunk.bytes).ok());
  }
  ASSERT_TRUE((*upload)->Close({}).ok());
  EXPECT_EQ((*upload)->durable_count(), 1u);
  EXPECT_EQ((*upload)->new_bytes(), 0u);
  EXPECT_EQ(Keys("packs/").size(), packs) << "the second copy was kept";
  EXPECT_EQ(*repository().Find({}, bobs.session, bobs.organization_domain.id, ids),
            std::vector<bool>{true});
  EXPECT_TRUE(ReadBase(bobs, desk_, ids).ok()) << "it has shown the bytes";

  ASSERT_TRUE(UploadTree(repository(), {}, bobs, desk_, bobs_tree).ok());
  const auto committed = repository().Commit({}, desk_, bobs_tree.request);
  ASSERT_TRUE(committed.ok() && committed->receipt) << committed.status();
  ExpectHolds(*committed->receipt, files);
}

TEST_F(RepositoryAccessTest, ASessionReadsItsBaseItsOwnUploadsAndNothingElse) {
  const BegunSession first = *Begin(phone_, desk_);
  const SealedTree base = *SealFiles(first, files_, time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, first, desk_, base).ok());
  ASSERT_TRUE(repository().Commit({}, desk_, base.request)->receipt);

  const BegunSession second = *Begin(phone_, desk_);
  ASSERT_TRUE(second.base);
  std::vector<ChunkId> base_ids;
  for (const std::string& id : base.request.base_ids()) {
    base_ids.push_back(*ChunkId::FromBytes(id));
  }
  ASSERT_FALSE(base_ids.empty());
  EXPECT_TRUE(ReadBase(second, desk_, base_ids).ok());
  // A chunk of the base that is not listed: content of the phone.
  const ChunkId content = base.chunks.front().chunk.id;
  ASSERT_EQ(std::count(base_ids.begin(), base_ids.end(), content), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(ReadBase(second, desk_, {content})));
  // One foreign id spoils the whole call.
  EXPECT_TRUE(absl::IsPermissionDenied(ReadBase(second, desk_, {base_ids.front(), content})));
  EXPECT_TRUE(absl::IsPermissionDenied(ReadBase(second, other_desk_, base_ids)));
  // What it uploads itself it may read back, once it is durable.
  const SealedTree tree = *SealFiles(second, Changed(files_, 1), time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, second, desk_, tree, /*all=*/true).ok());
  EXPECT_TRUE(ReadBase(second, desk_, IdsOf(tree, second.person_domain.id)).ok());
}

TEST_F(RepositoryAccessTest, AnAgentThatIsNotAdmittedGetsNoBase) {
  const v1::Receipt first = BackUp(phone_, desk_, files_);
  const BegunSession stranger = *Begin(phone_, other_desk_);
  EXPECT_FALSE(stranger.base);
  const SealedTree tree = *SealFiles(stranger, files_, time_, system_random_);
  std::vector<ChunkId> ids;
  for (const SealedForDomain& sealed : tree.chunks) ids.push_back(sealed.chunk.id);
  for (const ChunkId& id : ids) {
    EXPECT_TRUE(absl::IsPermissionDenied(ReadBase(stranger, other_desk_, {id})));
  }
  // It may not name the old snapshot as its parent either.
  v1::CommitSnapshotRequest lie = tree.request;
  lie.set_parent_snapshot_id(first.snapshot_id());
  EXPECT_TRUE(absl::IsInvalidArgument(repository().Commit({}, other_desk_, lie).status()));
  // Its backup is a full one that stores nothing twice, and admits nobody.
  ASSERT_TRUE(UploadTree(repository(), {}, stranger, other_desk_, tree).ok());
  const auto committed = repository().Commit({}, other_desk_, tree.request);
  ASSERT_TRUE(committed.ok() && committed->receipt) << committed.status();
  EXPECT_EQ(committed->receipt->stored_bytes(), 0u);
  EXPECT_FALSE(Begin(phone_, other_desk_)->base);
  ASSERT_TRUE(
      repository()
          .Abort({}, Begin(phone_, other_desk_)->session, other_desk_, v1::CAUSE_CANCELLED, "")
          .ok());
  EXPECT_TRUE(Begin(phone_, desk_)->base);
}

TEST_F(RepositoryAccessTest, ANewOwnerStartsALineageOfTheirOwn) {
  const v1::Receipt old = BackUp(phone_, desk_, files_);
  const BegunSession open = *Begin(phone_, desk_);
  const SealedTree tree = *SealFiles(open, files_, time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, open, desk_, tree).ok());
  ASSERT_TRUE(
      catalog()
          .Run({},
               [&](storage::Transaction& tx) { return tx.devices().Assign(phone_, bob_).status(); })
          .ok());
  const absl::Status refused = repository().Commit({}, desk_, tree.request).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;

  const BegunSession bobs = *Begin(phone_, desk_);
  EXPECT_EQ(bobs.person, bob_);
  EXPECT_FALSE(bobs.base);
  EXPECT_NE(bobs.person_domain.id, open.person_domain.id);
  const v1::Receipt fresh = BackUp(phone_, desk_, files_);
  EXPECT_GT(fresh.stored_bytes() * 10, old.stored_bytes() * 6) << "only the app is shared";
  ExpectHolds(old, files_);
  ExpectHolds(fresh, files_);
}

TEST_F(RepositoryAccessTest, ASnapshotsReaderGetsItsChunksAlone) {
  const v1::Receipt first = BackUp(phone_, desk_, files_);
  const BegunSession session = *Begin(phone_, desk_);
  const SealedTree tree = *SealFiles(session, Changed(files_, 3), time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, session, desk_, tree).ok());
  int chunks = 0;
  int denied = 0;
  for (const SealedForDomain& sealed : tree.chunks) {
    const absl::Status read =
        repository().ReadChunks({}, SnapshotOf(first), {sealed.chunk.id}, [&chunks](ByteView) {
          ++chunks;
          return absl::OkStatus();
        });
    if (!read.ok()) {
      EXPECT_TRUE(absl::IsPermissionDenied(read)) << read;
      ++denied;
    }
  }
  EXPECT_GT(chunks, 0);
  EXPECT_GT(denied, 1) << "the new chunks are not of the first snapshot";
  EXPECT_TRUE(absl::IsPermissionDenied(
      repository().ReadChunks({}, SnapshotOf(first), {ChunkId::Make(system_random_)},
                              [](ByteView) { return absl::OkStatus(); })));
}

}  // namespace
}  // namespace mooring::testing
