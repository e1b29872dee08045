// Bytes that rot, shrink or vanish: told clearly, never served, healed by the next backup.

#include "tests/integration/storage/repository/repository_fixture.h"

namespace mooring::testing {
namespace {

class RepositoryDamageTest : public RepositoryTest {
 protected:
  void SetUp() override {
    RepositoryTest::SetUp();
    receipt_ = BackUp(phone_, desk_, files_);
    const std::vector<std::string> packs = Keys("packs/");
    ASSERT_EQ(packs.size(), 1u);
    pack_ = packs.front();
  }

  void ExpectDamagedAndHealed() {
    const absl::Status read = ReadSnapshot(repository(), {}, SnapshotOf(receipt_)).status();
    EXPECT_TRUE(absl::IsDataLoss(read)) << read;
    EXPECT_NE(read.ToString().find("chunk "), std::string::npos) << read;
    EXPECT_NE(read.ToString().find("pack "), std::string::npos) << read;
    const auto verified =
        repository().Verify({}, SnapshotOf(receipt_), [](const storage::VerifyResult&) {});
    ASSERT_TRUE(verified.ok()) << verified.status();
    EXPECT_FALSE(verified->damaged.empty());
    EXPECT_EQ(verified->chunks_checked, verified->chunks_total);
    EXPECT_EQ(SnapshotRow(SnapshotOf(receipt_))->damaged_chunks, verified->damaged.size());
    Reopen();
    // The agent holds nothing of it; its phone does.
    const v1::Receipt healing = BackUp(phone_, desk_, files_);
    EXPECT_GT(healing.stored_bytes(), 0u);
    ExpectHolds(healing, files_);
    ExpectHolds(receipt_, files_);
    const auto again =
        repository().Verify({}, SnapshotOf(receipt_), [](const storage::VerifyResult&) {});
    EXPECT_TRUE(again.ok() && again->damaged.empty());
    EXPECT_EQ(SnapshotRow(SnapshotOf(receipt_))->damaged_chunks, 0u);
  }

  v1::Receipt receipt_;
  std::string pack_;
};

TEST_F(RepositoryDamageTest, AFlippedByte) {
  ASSERT_TRUE(memory_.FlipByte(pack_, 500));
  ExpectDamagedAndHealed();
}

TEST_F(RepositoryDamageTest, ATruncatedPack) {
  ASSERT_TRUE(memory_.Truncate(pack_, 70'000));
  ExpectDamagedAndHealed();
}

TEST_F(RepositoryDamageTest, AnEmptyPack) {
  ASSERT_TRUE(memory_.Truncate(pack_, 0));
  ExpectDamagedAndHealed();
}

TEST_F(RepositoryDamageTest, AMissingPack) {
  ASSERT_TRUE(memory_.Lose(pack_));
  ExpectDamagedAndHealed();
}

TEST_F(RepositoryDamageTest, PacksThatChangedPlaces) {
  const Files other_files = {{"full/aa/other", SyntheticContent(9, 150'000)}};
  BackUp(bobs_phone_, desk_, other_files);
  const std::vector<std::string> packs = Keys("packs/");
  ASSERT_EQ(packs.size(), 2u);
  const std::string other = packs[0] == pack_ ? packs[1] : packs[0];
  Bytes mine(memory_.Stat({}, pack_)->size_bytes);
  Bytes theirs(memory_.Stat({}, other)->size_bytes);
  ASSERT_TRUE(memory_.ReadAt({}, pack_, 0, mine).ok());
  ASSERT_TRUE(memory_.ReadAt({}, other, 0, theirs).ok());
  ASSERT_TRUE(memory_.Lose(pack_) && memory_.Lose(other));
  ASSERT_TRUE(memory_.Put({}, pack_, theirs, absl::InfinitePast()).ok());
  ASSERT_TRUE(memory_.Put({}, other, mine, absl::InfinitePast()).ok());
  ExpectDamagedAndHealed();
}

TEST_F(RepositoryDamageTest, OneWrongReadIsReadAgainAndNothingIsMarked) {
  const std::uint64_t before = store_.calls();
  ExpectHolds(receipt_, files_);
  const std::uint64_t calls = store_.calls() - before;
  for (std::uint64_t n = 1; n <= calls; ++n) {
    store_.FailCall(n, storage::ObjectFault::kFlipByte);
    ExpectHolds(receipt_, files_);
  }
  EXPECT_EQ(store_.faults(), calls);
  EXPECT_EQ(BackUp(phone_, desk_, files_).stored_bytes(), 0u);
}

TEST_F(RepositoryDamageTest, AStoreThatIsAwayHasLostNothing) {
  ASSERT_TRUE(memory_.Lose("repository"));
  Bytes pack(memory_.Stat({}, pack_)->size_bytes);
  ASSERT_TRUE(memory_.ReadAt({}, pack_, 0, pack).ok());
  ASSERT_TRUE(memory_.Lose(pack_));
  const absl::Status away = ReadSnapshot(repository(), {}, SnapshotOf(receipt_)).status();
  EXPECT_TRUE(absl::IsUnavailable(away)) << away;
  ASSERT_TRUE(memory_.Put({}, pack_, pack, absl::InfinitePast()).ok());
  ExpectHolds(receipt_, files_);
}

}  // namespace
}  // namespace mooring::testing
