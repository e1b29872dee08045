// What is locked as it is written, and what never is.

#include "storage/objects/retaining_object_store.h"

#include <gtest/gtest.h>

#include "storage/base/random.h"
#include "storage/objects/memory_object_store.h"
#include "storage/objects/object_layout.h"

namespace mooring::storage {
namespace {

class RetainingObjectStoreTest : public ::testing::Test {
 protected:
  absl::Time LockOf(const std::string& key) { return store_.Stat({}, key)->locked_until; }

  SeededRandom random_{1};
  ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  const absl::Duration lock_ = absl::Hours(24 * 30);
  RetainingObjectStore store_{std::make_unique<MemoryObjectStore>(clock_), clock_, lock_};
};

TEST_F(RetainingObjectStoreTest, PacksAreLockedFromTheirCommitOn) {
  const std::string put = PackObjectKey(PackId::Make(random_));
  const std::string written = PackObjectKey(PackId::Make(random_));
  ASSERT_TRUE(store_.Put({}, put, AsBytes("pack"), absl::InfinitePast()).ok());
  EXPECT_EQ(LockOf(put), clock_.Now() + lock_);
  auto writer = store_.NewObject({}, written);
  ASSERT_TRUE((*writer)->Append({}, AsBytes("pack")).ok());
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE((*writer)->Commit({}, absl::InfinitePast()).ok());
  EXPECT_EQ(LockOf(written), clock_.Now() + lock_);
  EXPECT_TRUE(absl::IsFailedPrecondition(store_.Remove({}, written)));
  clock_.Advance(lock_);
  EXPECT_TRUE(store_.Remove({}, written).ok());
}

TEST_F(RetainingObjectStoreTest, ALongerLockThatWasAskedForStands) {
  const std::string key = PackObjectKey(PackId::Make(random_));
  const absl::Time until = clock_.Now() + 2 * lock_;
  ASSERT_TRUE(store_.Put({}, key, AsBytes("pack"), until).ok());
  EXPECT_EQ(LockOf(key), until);
}

TEST_F(RetainingObjectStoreTest, NothingElseIsLockedUnlessItIsAskedFor) {
  const SnapshotId snapshot = SnapshotId::Make(random_);
  for (const std::string& key :
       {std::string(kRepositoryObjectKey), std::string(kOrganizationKeyObjectKey),
        std::string(kPackIndexKeyObjectKey), PersonKeyObjectKey(PersonId::Make(random_)),
        SnapshotKeyObjectKey(snapshot), TombstoneObjectKey(snapshot),
        CommitRecordObjectKey(snapshot), std::string("packs/ab/abcd")}) {
    ASSERT_TRUE(store_.Put({}, key, AsBytes("x"), absl::InfinitePast()).ok()) << key;
    EXPECT_EQ(LockOf(key), absl::InfinitePast()) << key;
    EXPECT_TRUE(store_.Remove({}, key).ok()) << key;
  }
  // As the server does with commit records.
  const std::string record = CommitRecordObjectKey(snapshot);
  ASSERT_TRUE(store_.Put({}, record, AsBytes("x"), absl::InfinitePast()).ok());
  ASSERT_TRUE(store_.ExtendLock({}, record, clock_.Now() + lock_).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store_.Remove({}, record)));
}

}  // namespace
}  // namespace mooring::storage
