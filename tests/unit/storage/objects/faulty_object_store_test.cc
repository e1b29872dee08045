#include "storage/objects/faulty_object_store.h"

#include <gtest/gtest.h>

#include "storage/objects/memory_object_store.h"

namespace mooring::storage {
namespace {

class FaultyObjectStoreTest : public ::testing::Test {
 protected:
  bool Holds(std::string_view key) { return memory_.Stat({}, key).ok(); }
  absl::Status Put(std::string_view key, std::string_view body) {
    return store_.Put({}, key, AsBytes(body), absl::InfinitePast());
  }

  ManualClock clock_{absl::UnixEpoch()};
  MemoryObjectStore memory_{clock_, 1000};
  FaultyObjectStore store_{memory_};
};

TEST_F(FaultyObjectStoreTest, ACallFailsBeforeOrAfterItsEffect) {
  store_.FailCall(1, ObjectFault::kFailBefore);
  store_.FailCall(2, ObjectFault::kFailAfter, absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(absl::IsUnavailable(Put("a", "1")));
  EXPECT_TRUE(absl::IsDeadlineExceeded(Put("b", "2")));
  EXPECT_TRUE(Put("c", "3").ok());
  EXPECT_FALSE(Holds("a"));
  EXPECT_TRUE(Holds("b"));
  EXPECT_EQ(store_.calls(), 3u);
  EXPECT_EQ(store_.faults(), 2u);
}

TEST_F(FaultyObjectStoreTest, AShortStoreSaysOk) {
  store_.FailCall(1, ObjectFault::kShortStore);
  EXPECT_TRUE(Put("a", "1234").ok());
  EXPECT_EQ(memory_.Stat({}, "a")->size_bytes, 2u);
  const auto writer = store_.NewObject({}, "b");
  ASSERT_TRUE((*writer)->Append({}, AsBytes("123456")).ok());
  store_.FailCall(1, ObjectFault::kShortStore);
  EXPECT_TRUE((*writer)->Commit({}, absl::InfinitePast()).ok());
  EXPECT_EQ(memory_.Stat({}, "b")->size_bytes, 3u);
}

TEST_F(FaultyObjectStoreTest, AFlippedByteComesOnceAndSaysOk) {
  ASSERT_TRUE(Put("a", "1234").ok());
  Bytes out(4);
  store_.FailCall(1, ObjectFault::kFlipByte);
  ASSERT_TRUE(store_.ReadAt({}, "a", 0, out).ok());
  EXPECT_NE(AsText(out), "1234");
  ASSERT_TRUE(store_.ReadAt({}, "a", 0, out).ok());
  EXPECT_EQ(AsText(out), "1234");
}

TEST_F(FaultyObjectStoreTest, SpaceEndsAfterTheGivenBytes) {
  store_.LimitSpace(5);
  EXPECT_TRUE(Put("a", "123").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Put("b", "123")));
  store_.Heal();
  EXPECT_TRUE(Put("b", "123").ok());
}

TEST_F(FaultyObjectStoreTest, TheSameSeedGivesTheSameFaults) {
  std::vector<std::string> runs[2];
  for (auto& run : runs) {
    MemoryObjectStore memory(clock_);
    FaultyObjectStore store(memory);
    SeededRandom random(7);
    store.FailAtRandom(random, 300);
    for (int i = 0; i < 100; ++i) {
      run.push_back(
          store.Put({}, "k" + std::to_string(i), AsBytes("x"), absl::InfinitePast()).ToString());
    }
  }
  EXPECT_EQ(runs[0], runs[1]);
}

TEST_F(FaultyObjectStoreTest, TheMemoryBelowHasAnEnd) {
  EXPECT_TRUE(absl::IsResourceExhausted(Put("a", std::string(1001, 'x'))));
  EXPECT_TRUE(Put("a", std::string(1000, 'x')).ok());
  EXPECT_EQ(memory_.Space({})->free_bytes, 0u);
}

}  // namespace
}  // namespace mooring::storage
