#include "storage/seal/sealed_stream.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace mooring::storage {
namespace {

class SealedStreamTest : public ::testing::Test {
 protected:
  Bytes Write(const Bytes& content, std::size_t piece) {
    Bytes out;
    SealedStreamWriter writer(key_, random_, {.made_at = made_at_, .epoch = 7},
                              [&out](ByteView bytes) {
                                Append(out, bytes);
                                return absl::OkStatus();
                              });
    for (std::size_t at = 0; at < content.size(); at += piece) {
      EXPECT_TRUE(
          writer.Write(ByteView(content).subspan(at, std::min(piece, content.size() - at))).ok());
    }
    EXPECT_TRUE(writer.Finish().ok());
    return out;
  }

  absl::StatusOr<Bytes> Read(ByteView sealed, const SecretBytes& key,
                             std::uint64_t bytes_max = 1 << 30) {
    Bytes content;
    std::size_t at = 0;
    const absl::Status read = ReadSealedStream(
        key,
        [&](std::span<std::byte> out) -> absl::StatusOr<std::size_t> {
          const std::size_t take = std::min(out.size(), sealed.size() - at);
          std::copy_n(sealed.begin() + static_cast<std::ptrdiff_t>(at), take, out.begin());
          at += take;
          return take;
        },
        bytes_max,
        [&content](ByteView piece) {
          Append(content, piece);
          return absl::OkStatus();
        });
    if (!read.ok()) return read;
    return content;
  }

  Bytes Random(std::size_t size) {
    Bytes bytes(size);
    random_.Fill(bytes);
    return bytes;
  }

  SeededRandom random_{1};
  const SecretBytes key_ = SecretBytes::Make(random_, 32);
  const absl::Time made_at_ = absl::FromUnixMicros(1'700'000'000'123'456);
};

TEST_F(SealedStreamTest, WhatGoesInComesOut) {
  for (const std::size_t size :
       std::vector<std::size_t>{0, 1, 100, 1'000'000, 1'048'576, 3'500'000}) {
    SCOPED_TRACE(size);
    const Bytes random = Random(size);
    const auto read = Read(Write(random, 70'000), key_);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == random);
    const Bytes zero(size);
    const Bytes sealed = Write(zero, 70'000);
    EXPECT_LT(sealed.size(), size / 100 + 1000);
    const auto back = Read(sealed, key_);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_TRUE(*back == zero);
  }
}

TEST_F(SealedStreamTest, TheHeaderSaysWhenAndWhichEpoch) {
  const Bytes sealed = Write(Random(10), 10);
  const auto info = PeekSealedStream(sealed);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->made_at, made_at_);
  EXPECT_EQ(info->epoch, 7u);
  EXPECT_FALSE(PeekSealedStream(ByteView(sealed).first(63)).ok());
}

TEST_F(SealedStreamTest, EveryFlippedBitIsSeen) {
  const Bytes sealed = Write(Random(2000), 2000);
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    Bytes bad = sealed;
    bad[at] ^= std::byte{0x10};
    EXPECT_FALSE(Read(bad, key_).ok()) << "byte " << at;
  }
}

TEST_F(SealedStreamTest, EveryCutIsSeen) {
  const Bytes sealed = Write(Random(2000), 2000);
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(Read(ByteView(sealed).first(size), key_).status())) << size;
  }
  Bytes longer = sealed;
  longer.push_back(std::byte{0});
  EXPECT_TRUE(absl::IsDataLoss(Read(longer, key_).status()));
}

// Two segments of 1 MiB each and the rest: leaving one out, or changing their
// places, breaks their numbers.
TEST_F(SealedStreamTest, SegmentsHaveTheirPlaces) {
  const Bytes sealed = Write(Random(2'500'000), 1'000'000);
  const std::size_t segment = 4 + kStreamSegmentBytesMax + 16;
  ASSERT_GT(sealed.size(), kStreamHeaderBytes + 2 * segment);
  const auto first = sealed.begin() + static_cast<std::ptrdiff_t>(kStreamHeaderBytes);
  const auto second = first + static_cast<std::ptrdiff_t>(segment);
  Bytes swapped = sealed;
  std::swap_ranges(swapped.begin() + (first - sealed.begin()),
                   swapped.begin() + (second - sealed.begin()),
                   swapped.begin() + (second - sealed.begin()));
  EXPECT_TRUE(absl::IsDataLoss(Read(swapped, key_).status()));
  Bytes without = sealed;
  without.erase(without.begin() + (first - sealed.begin()),
                without.begin() + (second - sealed.begin()));
  EXPECT_TRUE(absl::IsDataLoss(Read(without, key_).status()));
}

TEST_F(SealedStreamTest, AnotherKeyAndTooMuchContentAreRefused) {
  const Bytes sealed = Write(Bytes(100'000), 100'000);
  EXPECT_TRUE(absl::IsPermissionDenied(Read(sealed, SecretBytes::Make(random_, 32)).status()));
  EXPECT_TRUE(absl::IsDataLoss(Read(sealed, key_, 99'999).status()));
  EXPECT_TRUE(Read(sealed, key_, 100'000).ok());
}

}  // namespace
}  // namespace mooring::storage
