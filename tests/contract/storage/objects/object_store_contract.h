// What every object store promises. An implementation's test gives a Fixture with
//   ObjectStore& store();  Clock& clock();
//   static constexpr absl::Duration kLock;  // Of whole seconds: how long tests lock.
//   void Pass(absl::Duration);              // Time passes for the store.
// and instantiates the suite with it.

#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "storage/base/random.h"
#include "storage/base/status.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

template <typename Fixture>
class ObjectStoreContract : public ::testing::Test {
 protected:
  ObjectStore& store() { return fixture_.store(); }
  Clock& clock() { return fixture_.clock(); }
  // Locks are kept to the second.
  absl::Time WholeSecond() { return absl::FromUnixSeconds(absl::ToUnixSeconds(clock().Now())); }

  absl::Status Put(std::string_view key, std::string_view body,
                   absl::Time locked_until = absl::InfinitePast()) {
    return store().Put({}, key, AsBytes(body), locked_until);
  }
  absl::StatusOr<std::string> Get(std::string_view key, std::uint64_t offset = 0,
                                  std::size_t size = 1 << 16) {
    Bytes out(size);
    MOORING_ASSIGN_OR_RETURN(const std::size_t read, store().ReadAt({}, key, offset, out));
    out.resize(read);
    return ToString(out);
  }
  std::vector<std::string> Keys(std::string_view prefix) {
    std::vector<std::string> keys;
    const absl::Status status = store().List({}, prefix, [&keys](const ObjectInfo& info) {
      keys.push_back(info.key);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return keys;
  }

  Fixture fixture_;
};

TYPED_TEST_SUITE_P(ObjectStoreContract);

TYPED_TEST_P(ObjectStoreContract, PutThenReadGivesTheBytes) {
  ASSERT_TRUE(this->Put("packs/ab/abcd", "hello, world").ok());
  EXPECT_EQ(*this->Get("packs/ab/abcd"), "hello, world");
  EXPECT_EQ(*this->Get("packs/ab/abcd", 7, 3), "wor");
  EXPECT_EQ(*this->Get("packs/ab/abcd", 7, 100), "world");
  EXPECT_EQ(*this->Get("packs/ab/abcd", 12, 5), "");
  EXPECT_EQ(*this->Get("packs/ab/abcd", 99, 5), "");
}

TYPED_TEST_P(ObjectStoreContract, EmptyObjectsExist) {
  ASSERT_TRUE(this->Put("empty", "").ok());
  EXPECT_EQ(*this->Get("empty"), "");
  EXPECT_EQ(this->store().Stat({}, "empty")->size_bytes, 0u);
}

TYPED_TEST_P(ObjectStoreContract, EqualBytesAgainAreOkOthersAreRefused) {
  ASSERT_TRUE(this->Put("a", "one").ok());
  EXPECT_TRUE(this->Put("a", "one").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(this->Put("a", "two")));
  EXPECT_TRUE(absl::IsAlreadyExists(this->Put("a", "ones")));
  EXPECT_TRUE(absl::IsAlreadyExists(this->Put("a", "")));
  EXPECT_EQ(*this->Get("a"), "one");
}

TYPED_TEST_P(ObjectStoreContract, MissingObjectsAreNotFound) {
  EXPECT_TRUE(absl::IsNotFound(this->Get("nothing/here").status()));
  EXPECT_TRUE(absl::IsNotFound(this->store().Stat({}, "nothing/here").status()));
  EXPECT_TRUE(this->store().Remove({}, "nothing/here").ok());
}

TYPED_TEST_P(ObjectStoreContract, StatTellsSizeKeyAndTime) {
  ASSERT_TRUE(this->Put("keys/organization", "12345").ok());
  const absl::StatusOr<ObjectInfo> info = this->store().Stat({}, "keys/organization");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->key, "keys/organization");
  EXPECT_EQ(info->size_bytes, 5u);
  EXPECT_EQ(info->locked_until, absl::InfinitePast());
  EXPECT_LT(absl::AbsDuration(info->stored_at - this->clock().Now()), absl::Hours(24));
}

TYPED_TEST_P(ObjectStoreContract, ListIsInByteOrderOfWholeKeys) {
  for (const char* key : {"b", "a/c", "a.c", "a-c", "a/b/c", "a/b.c", "a0", "packs/00/x"}) {
    ASSERT_TRUE(this->Put(key, key).ok()) << key;
  }
  EXPECT_EQ(this->Keys(""), (std::vector<std::string>{"a-c", "a.c", "a/b.c", "a/b/c", "a/c", "a0",
                                                      "b", "packs/00/x"}));
  EXPECT_EQ(this->Keys("a/"), (std::vector<std::string>{"a/b.c", "a/b/c", "a/c"}));
  EXPECT_EQ(this->Keys("a/b"), (std::vector<std::string>{"a/b.c", "a/b/c"}));
  EXPECT_EQ(this->Keys("packs/0"), (std::vector<std::string>{"packs/00/x"}));
  EXPECT_TRUE(this->Keys("zz").empty());
}

TYPED_TEST_P(ObjectStoreContract, ListStopsWhereItsVisitorSays) {
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(this->Put(key, key).ok());
  int visits = 0;
  const absl::Status status = this->store().List({}, "", [&visits](const ObjectInfo& info) {
    ++visits;
    return info.key == "b" ? absl::AbortedError("enough") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_EQ(visits, 2);
}

TYPED_TEST_P(ObjectStoreContract, RemovedObjectsAreGoneAndMayBeStoredAnew) {
  ASSERT_TRUE(this->Put("a/b", "one").ok());
  EXPECT_TRUE(this->store().Remove({}, "a/b").ok());
  EXPECT_TRUE(absl::IsNotFound(this->Get("a/b").status()));
  EXPECT_TRUE(this->store().Remove({}, "a/b").ok());
  EXPECT_TRUE(this->Keys("").empty());
  EXPECT_TRUE(this->Put("a/b", "two").ok());
  EXPECT_EQ(*this->Get("a/b"), "two");
}

TYPED_TEST_P(ObjectStoreContract, LockedObjectsStayUntilTheirTime) {
  const absl::Duration lock = TypeParam::kLock;
  const absl::Time until = this->WholeSecond() + lock;
  ASSERT_TRUE(this->Put("packs/ab", "body", until).ok());
  EXPECT_EQ(this->store().Stat({}, "packs/ab")->locked_until, until);
  EXPECT_TRUE(absl::IsFailedPrecondition(this->store().Remove({}, "packs/ab")));
  EXPECT_EQ(*this->Get("packs/ab"), "body");
  // The same again keeps the later lock, and an earlier one does not shorten it.
  ASSERT_TRUE(this->Put("packs/ab", "body", until + lock).ok());
  ASSERT_TRUE(this->Put("packs/ab", "body", until).ok());
  this->fixture_.Pass(lock);
  EXPECT_TRUE(absl::IsFailedPrecondition(this->store().Remove({}, "packs/ab")));
  EXPECT_EQ(*this->Get("packs/ab"), "body");
  this->fixture_.Pass(lock);
  EXPECT_TRUE(this->store().Remove({}, "packs/ab").ok());
  ASSERT_TRUE(this->Put("packs/ab", "other").ok());
  EXPECT_EQ(this->store().Stat({}, "packs/ab")->locked_until, absl::InfinitePast());
}

TYPED_TEST_P(ObjectStoreContract, LocksAreExtendedAndNeverShortened) {
  const absl::Time until = this->WholeSecond() + TypeParam::kLock;
  EXPECT_TRUE(absl::IsNotFound(this->store().ExtendLock({}, "packs/ab", until)));
  ASSERT_TRUE(this->Put("packs/ab", "body").ok());
  ASSERT_TRUE(this->store().ExtendLock({}, "packs/ab", until).ok());
  ASSERT_TRUE(this->store().ExtendLock({}, "packs/ab", until - absl::Seconds(1)).ok());
  EXPECT_EQ(this->store().Stat({}, "packs/ab")->locked_until, until);
  EXPECT_TRUE(absl::IsFailedPrecondition(this->store().Remove({}, "packs/ab")));
  this->fixture_.Pass(TypeParam::kLock);
  EXPECT_TRUE(this->store().Remove({}, "packs/ab").ok());
}

TYPED_TEST_P(ObjectStoreContract, ALargeObjectWrittenInPiecesIsReadBackInPieces) {
  // Beyond what any store keeps in memory for one.
  constexpr std::size_t kBytes = (std::size_t{20} << 20) + 12'345;
  Bytes body(kBytes);
  SeededRandom(7).Fill(body);
  auto writer = this->store().NewObject({}, "packs/ef/large");
  ASSERT_TRUE(writer.ok()) << writer.status();
  for (std::size_t at = 0; at < kBytes; at += 999'983) {
    const std::size_t count = std::min<std::size_t>(999'983, kBytes - at);
    ASSERT_TRUE((*writer)->Append({}, ByteView(body).subspan(at, count)).ok());
  }
  const absl::Time until = this->WholeSecond() + TypeParam::kLock;
  const absl::Status committed = (*writer)->Commit({}, until);
  ASSERT_TRUE(committed.ok()) << committed;
  EXPECT_EQ(this->store().Stat({}, "packs/ef/large")->size_bytes, kBytes);
  EXPECT_EQ(this->store().Stat({}, "packs/ef/large")->locked_until, until);
  Bytes back(kBytes);
  ASSERT_EQ(*this->store().ReadAt({}, "packs/ef/large", 0, back), kBytes);
  EXPECT_TRUE(back == body);
  Bytes middle(4'096);
  ASSERT_EQ(*this->store().ReadAt({}, "packs/ef/large", (std::size_t{8} << 20) - 100, middle),
            middle.size());
  EXPECT_TRUE(std::equal(middle.begin(), middle.end(), body.begin() + (8 << 20) - 100));
  // The same bytes by the other way are the same object; others are not.
  EXPECT_TRUE(this->store().Put({}, "packs/ef/large", body, absl::InfinitePast()).ok());
  body.back() ^= std::byte{1};
  EXPECT_TRUE(
      absl::IsAlreadyExists(this->store().Put({}, "packs/ef/large", body, absl::InfinitePast())));
  this->fixture_.Pass(TypeParam::kLock);
  EXPECT_TRUE(this->store().Remove({}, "packs/ef/large").ok());
}

TYPED_TEST_P(ObjectStoreContract, AWriterShowsNothingBeforeItsCommit) {
  auto writer = this->store().NewObject({}, "packs/cd/cdef");
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Append({}, AsBytes("one ")).ok());
  ASSERT_TRUE((*writer)->Append({}, AsBytes("two")).ok());
  EXPECT_TRUE(absl::IsNotFound(this->Get("packs/cd/cdef").status()));
  EXPECT_TRUE(this->Keys("").empty());
  ASSERT_TRUE((*writer)->Commit({}, absl::InfinitePast()).ok());
  EXPECT_EQ(*this->Get("packs/cd/cdef"), "one two");
  EXPECT_FALSE((*writer)->Commit({}, absl::InfinitePast()).ok());
}

TYPED_TEST_P(ObjectStoreContract, AnAbandonedWriterLeavesNothing) {
  {
    auto writer = this->store().NewObject({}, "a");
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Append({}, AsBytes("half")).ok());
  }
  EXPECT_TRUE(absl::IsNotFound(this->Get("a").status()));
  EXPECT_TRUE(this->Keys("").empty());
}

TYPED_TEST_P(ObjectStoreContract, TwoWritersOfOneKeyAgreeOrTheSecondIsRefused) {
  auto first = this->store().NewObject({}, "a");
  auto second = this->store().NewObject({}, "a");
  auto third = this->store().NewObject({}, "a");
  ASSERT_TRUE((*first)->Append({}, AsBytes("same")).ok());
  ASSERT_TRUE((*second)->Append({}, AsBytes("same")).ok());
  ASSERT_TRUE((*third)->Append({}, AsBytes("else")).ok());
  EXPECT_TRUE((*first)->Commit({}, absl::InfinitePast()).ok());
  EXPECT_TRUE((*second)->Commit({}, absl::InfinitePast()).ok());
  EXPECT_TRUE(absl::IsAlreadyExists((*third)->Commit({}, absl::InfinitePast())));
  EXPECT_EQ(*this->Get("a"), "same");
}

TYPED_TEST_P(ObjectStoreContract, BadKeysAreRefusedEverywhere) {
  const std::string long_key(kKeyBytesMax + 1, 'k');
  const std::vector<std::string> bad = {
      "",    "/a",         "a/",      "a//b",       "..",    "a/../b",
      ".a",  "a/.b",       "A",       "a b",        "a\nb",  std::string("a\0b", 3),
      "a\\", "staging/aa", "locks/a", "\xC3\xA4/a", long_key};
  for (const std::string& key : bad) {
    Bytes out(1);
    EXPECT_TRUE(absl::IsInvalidArgument(this->Put(key, "x"))) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(this->store().NewObject({}, key).status())) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(this->store().ReadAt({}, key, 0, out).status())) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(this->store().Stat({}, key).status())) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(this->store().Remove({}, key))) << key;
  }
}

TYPED_TEST_P(ObjectStoreContract, OversizedBodiesAreRefused) {
  auto writer = this->store().NewObject({}, "big");
  ASSERT_TRUE(writer.ok());
  const Bytes piece(32 << 20);
  for (std::uint64_t done = 0; done < kObjectBytesMax; done += piece.size()) {
    ASSERT_TRUE((*writer)->Append({}, piece).ok());
  }
  EXPECT_TRUE(absl::IsInvalidArgument((*writer)->Append({}, ByteView(piece).first(1))));
}

TYPED_TEST_P(ObjectStoreContract, CalledOffOperationsDoNothing) {
  std::stop_source stop;
  stop.request_stop();
  const OpContext stopped{.deadline = absl::InfiniteFuture(), .stop = stop.get_token()};
  const OpContext late{.deadline = this->clock().Now() - absl::Seconds(1), .stop = {}};
  EXPECT_TRUE(absl::IsCancelled(this->store().Put(stopped, "a", {}, absl::InfinitePast())));
  EXPECT_TRUE(absl::IsDeadlineExceeded(this->store().Put(late, "a", {}, absl::InfinitePast())));
  EXPECT_TRUE(absl::IsNotFound(this->Get("a").status()));
}

TYPED_TEST_P(ObjectStoreContract, SpaceIsToldAndUsed) {
  const absl::StatusOr<SpaceInfo> space = this->store().Space({});
  ASSERT_TRUE(space.ok()) << space.status();
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_LE(space->free_bytes, space->total_bytes);
}

REGISTER_TYPED_TEST_SUITE_P(ObjectStoreContract, PutThenReadGivesTheBytes, EmptyObjectsExist,
                            EqualBytesAgainAreOkOthersAreRefused, MissingObjectsAreNotFound,
                            StatTellsSizeKeyAndTime, ListIsInByteOrderOfWholeKeys,
                            ListStopsWhereItsVisitorSays, RemovedObjectsAreGoneAndMayBeStoredAnew,
                            LockedObjectsStayUntilTheirTime, LocksAreExtendedAndNeverShortened,
                            ALargeObjectWrittenInPiecesIsReadBackInPieces,
                            AWriterShowsNothingBeforeItsCommit, AnAbandonedWriterLeavesNothing,
                            TwoWritersOfOneKeyAgreeOrTheSecondIsRefused,
                            BadKeysAreRefusedEverywhere, OversizedBodiesAreRefused,
                            CalledOffOperationsDoNothing, SpaceIsToldAndUsed);

}  // namespace mooring::storage
