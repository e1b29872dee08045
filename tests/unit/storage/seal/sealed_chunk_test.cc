#include "storage/seal/sealed_chunk.h"

#include <gtest/gtest.h>

#include "storage/seal/aead.h"
#include "storage/seal/digest.h"
#include "tests/unit/storage/test_bytes.h"

namespace mooring::storage {
namespace {

using testing::RandomBytes;
using testing::TestSecret;
using testing::TextBytes;

SealedChunk SealText(std::uint64_t seed, std::size_t size, std::uint8_t secret = 1,
                     ChunkKind kind = ChunkKind::kFileData,
                     Compression compression = Compression::kProbe) {
  const ChunkSealer sealer(TestSecret(secret));
  return sealer.Seal(Frame::Make(TextBytes(seed, size), compression).value(), kind).value();
}

TEST(SealedChunkTest, RoundTrips) {
  for (const std::size_t size : {0U, 1U, 500U, 1'000'000U}) {
    const SealedChunk chunk = SealText(1, size, 1, ChunkKind::kManifestSegment);
    EXPECT_TRUE(CheckSealedChunk(chunk.bytes).ok());
    EXPECT_EQ(chunk.raw_bytes, size);
    EXPECT_EQ(chunk.id, ChunkIdOf(chunk.bytes));
    const auto opened = OpenChunk(chunk.bytes, chunk.id, chunk.key);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->content, TextBytes(1, size));
    EXPECT_EQ(opened->frame_hash, chunk.frame_hash);
    EXPECT_EQ(opened->kind, ChunkKind::kManifestSegment);
  }
}

TEST(SealedChunkTest, SealingTwiceGivesTheSameBytes) {
  EXPECT_EQ(SealText(1, 5000).bytes, SealText(1, 5000).bytes);
}

TEST(SealedChunkTest, SecretKindAndContentEachGiveAnotherKeyAndId) {
  const SealedChunk chunk = SealText(1, 5000);
  for (const SealedChunk& other : {SealText(2, 5000), SealText(1, 5000, 2),
                                   SealText(1, 5000, 1, ChunkKind::kDeviceMetadata)}) {
    EXPECT_NE(other.key, chunk.key);
    EXPECT_NE(other.id, chunk.id);
  }
}

// The rule that must not break (sealing.md, S1): the key follows the bytes that
// are encrypted, so another encoding of the same content has another key.
TEST(SealedChunkTest, AnotherEncodingOfTheSameContentHasAnotherKey) {
  const SealedChunk compressed =
      SealText(1, 100'000, 1, ChunkKind::kFileData, Compression::kAlways);
  const SealedChunk raw = SealText(1, 100'000, 1, ChunkKind::kFileData, Compression::kNone);
  EXPECT_NE(compressed.key, raw.key);
  EXPECT_NE(compressed.frame_hash, raw.frame_hash);
  EXPECT_EQ(OpenChunk(compressed.bytes, compressed.id, compressed.key)->content,
            OpenChunk(raw.bytes, raw.id, raw.key)->content);
}

TEST(SealedChunkTest, RefusesEveryChangedByteByItsId) {
  const SealedChunk chunk = SealText(1, 300);
  for (std::size_t at = 0; at < chunk.bytes.size(); ++at) {
    Bytes bad = chunk.bytes;
    bad[at] ^= std::byte{0x80};
    EXPECT_EQ(OpenChunk(bad, chunk.id, chunk.key).status().code(), absl::StatusCode::kDataLoss);
  }
}

// Even where somebody names the changed bytes by their own hash.
TEST(SealedChunkTest, RefusesEveryChangedByteByItsTag) {
  const SealedChunk chunk = SealText(1, 300);
  for (std::size_t at = 0; at < chunk.bytes.size(); ++at) {
    Bytes bad = chunk.bytes;
    bad[at] ^= std::byte{0x01};
    EXPECT_EQ(OpenChunk(bad, ChunkIdOf(bad), chunk.key).status().code(),
              absl::StatusCode::kDataLoss)
        << at;
  }
}

TEST(SealedChunkTest, RefusesEveryTruncation) {
  const SealedChunk chunk = SealText(1, 300);
  for (std::size_t size = 0; size < chunk.bytes.size(); ++size) {
    const ByteView bad = ByteView(chunk.bytes).first(size);
    EXPECT_FALSE(OpenChunk(bad, ChunkIdOf(bad), chunk.key).ok());
  }
}

TEST(SealedChunkTest, RefusesAnotherKey) {
  const SealedChunk chunk = SealText(1, 300);
  EXPECT_EQ(OpenChunk(chunk.bytes, chunk.id, SealText(2, 300).key).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(SealedChunkTest, RefusesAFrameThatDoesNotParseEvenIfAuthentic) {
  Bytes frame(12);
  frame[0] = std::byte{7};  // No such codec.
  Bytes bytes = {std::byte{1}, std::byte{1}, std::byte{0}, std::byte{0}};
  const SecretBytes key = TestSecret(9);
  bytes.resize(4 + frame.size() + kAeadTagBytes);
  AeadSeal(key.view(), Bytes(kAeadNonceBytes),
           {AsBytes("mooring/chunk/1"), ByteView(bytes).first(4)}, frame,
           std::span(bytes).subspan(4));
  const absl::Status status =
      OpenChunk(bytes, ChunkIdOf(bytes), ChunkKey::FromBytes(key.view()).value()).status();
  EXPECT_NE(status.message().find("codec"), absl::string_view::npos) << status;
}

TEST(SealedChunkTest, TheServersCheckSeesFormWithoutAKey) {
  const Bytes good = SealText(1, 300).bytes;
  for (const auto& [at, value] : {std::pair{0, 2}, {1, 0}, {1, 4}, {2, 1}, {3, 1}}) {
    Bytes bad = good;
    bad[static_cast<std::size_t>(at)] = static_cast<std::byte>(value);
    EXPECT_EQ(CheckSealedChunk(bad).code(), absl::StatusCode::kInvalidArgument);
  }
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(CheckSealedChunk(longer).ok());
  EXPECT_FALSE(CheckSealedChunk({}).ok());
  EXPECT_FALSE(CheckSealedChunk(Bytes(kSealedChunkBytesMax + 1)).ok());
}

TEST(SealedChunkTest, TheLargestFrameFitsTheLimit) {
  const Bytes content = RandomBytes(1, kFrameContentBytesMax);
  const ChunkSealer sealer(TestSecret(1));
  const auto chunk =
      sealer.Seal(Frame::Make(content, Compression::kProbe).value(), ChunkKind::kFileData);
  ASSERT_TRUE(chunk.ok());
  EXPECT_TRUE(CheckSealedChunk(chunk->bytes).ok());
}

}  // namespace
}  // namespace mooring::storage
