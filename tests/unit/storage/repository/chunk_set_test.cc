#include "storage/repository/chunk_set.h"

#include <set>

#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace mooring::storage {
namespace {

std::vector<std::uint64_t> Numbers(const ChunkSet& set, std::size_t batch = 7) {
  std::vector<std::uint64_t> all;
  EXPECT_TRUE(set.ForEachBatch(batch,
                               [&](const std::vector<std::uint64_t>& numbers) {
                                 EXPECT_LE(numbers.size(), batch);
                                 all.insert(all.end(), numbers.begin(), numbers.end());
                                 return absl::OkStatus();
                               })
                  .ok());
  return all;
}

ChunkSet RandomSet(std::uint64_t seed, std::set<std::uint64_t>& reference) {
  SeededRandom random(seed);
  ChunkSet set;
  const std::uint64_t runs = 1 + random.Below(20);
  for (std::uint64_t i = 0; i < runs; ++i) {
    std::uint64_t at = random.Below(std::uint64_t{1} << (1 + random.Below(40)));
    const std::uint64_t length = 1 + random.Below(random.Below(2) == 0 ? 5 : 5000);
    const std::uint64_t step = 1 + random.Below(3);
    for (std::uint64_t k = 0; k < length; ++k, at += step) {
      set.Add(at);
      reference.insert(at);
    }
  }
  return set;
}

TEST(ChunkSetTest, ReadsBackWhatItWrote) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    std::set<std::uint64_t> reference;
    const ChunkSet set = RandomSet(seed, reference);
    const Bytes bytes = set.Serialize();
    const absl::StatusOr<ChunkSet> parsed = ChunkSet::Parse(bytes);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->size(), reference.size());
    EXPECT_EQ(Numbers(*parsed, 1000),
              std::vector<std::uint64_t>(reference.begin(), reference.end()));
    EXPECT_EQ(parsed->Serialize(), bytes);
    EXPECT_TRUE(parsed->Contains(*reference.begin()));
    EXPECT_EQ(parsed->Contains(*reference.rbegin() + 1), false);
  }
}

TEST(ChunkSetTest, TheEmptySetAndUnions) {
  ChunkSet empty;
  EXPECT_TRUE(Numbers(*ChunkSet::Parse(empty.Serialize())).empty());
  ChunkSet a;
  a.Add(1);
  a.Add(std::uint64_t{1} << 40);
  empty.UnionWith(a);
  EXPECT_EQ(Numbers(empty), (std::vector<std::uint64_t>{1, std::uint64_t{1} << 40}));
}

TEST(ChunkSetTest, ManySetsJoinAsIfEachWereParsed) {
  ChunkSet joined;
  std::set<std::uint64_t> reference;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    std::set<std::uint64_t> numbers;
    const ChunkSet set = RandomSet(seed, numbers);
    reference.insert(numbers.begin(), numbers.end());
    const auto added = joined.UnionWithSerialized(set.Serialize());
    ASSERT_TRUE(added.ok()) << added.status();
    EXPECT_EQ(*added, numbers.size());
  }
  EXPECT_EQ(Numbers(joined, 1000), std::vector<std::uint64_t>(reference.begin(), reference.end()));
  EXPECT_EQ(joined.Least(), *reference.begin());
  EXPECT_EQ(ChunkSet().Least(), 0u);
}

TEST(ChunkSetTest, DifferenceAndIntersection) {
  ChunkSet a, b, c;
  for (std::uint64_t n = 0; n < 100; ++n) a.Add(n);
  for (std::uint64_t n = 50; n < 150; ++n) b.Add(n);
  c.Add(1000);
  EXPECT_TRUE(a.Intersects(b));
  EXPECT_FALSE(a.Intersects(c));
  a.Remove(b);
  EXPECT_EQ(a.size(), 50u);
  EXPECT_FALSE(a.Intersects(b));
  EXPECT_FALSE(a.empty());
  EXPECT_TRUE(ChunkSet().empty());
}

// The fast way takes other forms of the same set, but nothing that is no set.
TEST(ChunkSetTest, JoiningHostileBytesIsSafe) {
  SeededRandom random(12);
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    std::set<std::uint64_t> reference;
    ChunkSet small;
    for (std::uint64_t i = random.Below(30'000), at = 0; i > 0; --i) {
      at += 1 + random.Below(1 + seed % 20);
      small.Add(at);
    }
    const Bytes good = small.Serialize();
    for (int i = 0; i < 300; ++i) {
      Bytes bad = good;
      for (std::uint64_t flips = 1 + random.Below(3); flips > 0; --flips) {
        bad[random.Below(std::min<std::uint64_t>(bad.size(), 64 + random.Below(bad.size())))] ^=
            static_cast<std::byte>(1 + random.Below(255));
      }
      ChunkSet set;
      const auto added = set.UnionWithSerialized(bad);
      if (added.ok()) {
        EXPECT_EQ(set.size(), *added);
        EXPECT_EQ(Numbers(set, 1000).size(), *added);
      } else {
        EXPECT_TRUE(set.empty());
      }
      ChunkSet cut;
      EXPECT_FALSE(cut.UnionWithSerialized(ByteView(good).first(random.Below(good.size()))).ok());
    }
  }
}

TEST(ChunkSetTest, HostileBytesAreRefusedOrTheSetTheySay) {
  std::set<std::uint64_t> reference;
  const Bytes good = RandomSet(3, reference).Serialize();
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(ChunkSet::Parse(ByteView(good).first(length)).ok()) << length;
  }
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_TRUE(absl::IsDataLoss(ChunkSet::Parse(longer).status()));
  SeededRandom random(11);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bad = good;
    for (std::uint64_t flips = 1 + random.Below(4); flips > 0; --flips) {
      bad[random.Below(std::min<std::uint64_t>(bad.size(), 64 + random.Below(bad.size())))] ^=
          static_cast<std::byte>(1 + random.Below(255));
    }
    const absl::StatusOr<ChunkSet> parsed = ChunkSet::Parse(bad);
    if (parsed.ok()) {
      EXPECT_EQ(parsed->Serialize(), bad);
    }
  }
  for (int i = 0; i < 20'000; ++i) {
    Bytes noise(random.Below(200));
    random.Fill(noise);
    if (noise.size() >= 8) {
      for (std::size_t k = 1; k < 8; ++k) noise[k] = std::byte{0};
    }
    const absl::StatusOr<ChunkSet> parsed = ChunkSet::Parse(noise);
    if (parsed.ok()) {
      EXPECT_EQ(parsed->Serialize(), noise);
    }
  }
}

}  // namespace
}  // namespace mooring::storage
