#include "storage/chunk/chunker.h"

#include <numeric>
#include <set>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "storage/chunk/cut_prf.h"
#include "tests/unit/storage/test_bytes.h"

namespace mooring::storage {
namespace {

using testing::RandomBytes;
using testing::TestSecret;

// Cuts of `data` as a reader with all of it in memory makes them.
std::vector<std::size_t> CutLengths(const Chunker& chunker, ByteView data) {
  std::vector<std::size_t> lengths;
  while (!data.empty()) {
    const std::size_t length = chunker.NextCut(data, true);
    lengths.push_back(length);
    data = data.subspan(length);
  }
  return lengths;
}

std::set<std::size_t> CutsFromTheEnd(const std::vector<std::size_t>& lengths) {
  std::set<std::size_t> cuts;
  std::size_t at = 0;
  for (auto length = lengths.rbegin(); length != lengths.rend(); ++length)
    cuts.insert(at += *length);
  return cuts;
}

TEST(ChunkerTest, LengthsAreInBoundsAndAddUp) {
  const Bytes data = RandomBytes(1, 64U << 20);
  const std::vector<std::size_t> lengths = CutLengths(Chunker(TestSecret(1)), data);
  EXPECT_EQ(std::accumulate(lengths.begin(), lengths.end(), std::size_t{0}), data.size());
  for (std::size_t i = 0; i + 1 < lengths.size(); ++i) {
    EXPECT_GE(lengths[i], kChunkBytesMin);
    EXPECT_LE(lengths[i], kChunkBytesMax);
  }
  EXPECT_GT(lengths.size(), 50U);
  EXPECT_LT(lengths.size(), 80U);
}

TEST(ChunkerTest, NeedsNoMoreThanTheMaximumToSeeACut) {
  const Chunker chunker(TestSecret(1));
  const Bytes data = RandomBytes(2, 16U << 20);
  ByteView rest = data;
  while (rest.size() > kChunkBytesMax) {
    const std::size_t cut = chunker.NextCut(rest.first(kChunkBytesMax), false);
    EXPECT_EQ(cut, chunker.NextCut(rest, true));
    rest = rest.subspan(cut);
  }
}

TEST(ChunkerTest, TheEndIsACut) {
  const Chunker chunker(TestSecret(1));
  EXPECT_EQ(chunker.NextCut({}, true), 0U);
  for (const std::size_t size : {std::size_t{1}, kChunkBytesMin - 1, kChunkBytesMin}) {
    EXPECT_EQ(chunker.NextCut(RandomBytes(3, size), true), size);
  }
}

TEST(ChunkerTest, OneByteMoreChangesFewCuts) {
  const Chunker chunker(TestSecret(1));
  Bytes data = RandomBytes(4, 32U << 20);
  const std::set<std::size_t> before = CutsFromTheEnd(CutLengths(chunker, data));
  data.insert(data.begin() + 100, std::byte{7});
  const std::set<std::size_t> after = CutsFromTheEnd(CutLengths(chunker, data));
  std::size_t kept = 0;
  for (const std::size_t cut : before) kept += after.contains(cut) ? 1U : 0U;
  EXPECT_GE(kept + 4, before.size()) << kept << " of " << before.size();
}

TEST(ChunkerTest, TheSecretDecidesTheCuts) {
  const Bytes data = RandomBytes(5, 16U << 20);
  const auto one = CutLengths(Chunker(TestSecret(1)), data);
  EXPECT_EQ(one, CutLengths(Chunker(TestSecret(1)), data));
  EXPECT_NE(one, CutLengths(Chunker(TestSecret(2)), data));
}

TEST(ChunkerTest, ConstantContentIsCutWithinBounds) {
  const Chunker chunker(TestSecret(1));
  for (const int value : {0, 1, 0xff}) {
    const Bytes data(12U << 20, static_cast<std::byte>(value));
    for (const std::size_t length : CutLengths(chunker, data)) EXPECT_LE(length, kChunkBytesMax);
  }
}

TEST(CutPrfTest, MatchesFips197) {
  // FIPS 197, C.1, has another plaintext; this one is AES-128 of zeros under zeros.
  const Bytes key(16);
  for (const CutPrfKind kind : {CutPrfKind::kBest, CutPrfKind::kPortable}) {
    EXPECT_EQ(CutPrf(key, kind).Of(0), LoadLe64(testing::Hex("66e94bd4ef8a2c3b"), 0));
  }
}

TEST(CutPrfTest, BothImplementationsAgree) {
  SeededRandom random(6);
  for (int i = 0; i < 1000; ++i) {
    const Bytes key = RandomBytes(random.Below(1U << 30), 16);
    const std::uint64_t fingerprint = random.Below(~std::uint64_t{0});
    EXPECT_EQ(CutPrf(key, CutPrfKind::kBest).Of(fingerprint),
              CutPrf(key, CutPrfKind::kPortable).Of(fingerprint));
  }
}

TEST(MediaTest, KnowsMediaByItsFirstBytes) {
  using namespace std::string_view_literals;
  for (const std::string_view head :
       {"\xff\xd8\xff\xe0\x00\x10JFIF"sv, "\x89PNG\r\n\x1a\n\0\0"sv, "GIF89a\x01"sv,
        "\x00\x00\x00\x18"
        "ftypheic"sv,
        "\x00\x00\x00\x14"
        "ftypqt  "sv,
        "RIFF\x10\x00\x00\x00WEBPVP8 "sv, "ID3\x04"sv, "\xff\xfb\x90"sv, "PK\x03\x04\x14"sv}) {
    EXPECT_TRUE(Chunker::IsMedia(AsBytes(head)));
  }
}

TEST(MediaTest, LeavesTheRestToTheScanner) {
  using namespace std::string_view_literals;
  for (const std::string_view head :
       {""sv, "\xff"sv, "SQLite format 3\0"sv, "bplist00"sv, "<?xml version"sv, "GIF"sv,
        "RIFF\x10\x00\x00\x00WAVEfmt "sv, "\xff\xfe\x41\x00"sv, "ftyp"sv, "PK\x01\x02"sv}) {
    EXPECT_FALSE(Chunker::IsMedia(AsBytes(head))) << head;
  }
}

}  // namespace
}  // namespace mooring::storage
