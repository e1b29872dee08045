#include "storage/seal/frame.h"

#include <gtest/gtest.h>

#include "tests/unit/storage/test_bytes.h"

namespace mooring::storage {
namespace {

using testing::RandomBytes;
using testing::TextBytes;

void StoreLe32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[at + i] = static_cast<std::byte>((value >> (8 * i)) & 0xff);
  }
}

Bytes FrameBytes(ByteView content, Compression compression) {
  const Frame frame = Frame::Make(content, compression).value();
  const ByteView view = frame.view();
  return {view.begin(), view.end()};
}

TEST(PadmeTest, KeepsAsManyLeadingBitsAsTheExponentHasBits) {
  EXPECT_EQ(PadmeBytes(0), 0U);
  EXPECT_EQ(PadmeBytes(1), 1U);
  EXPECT_EQ(PadmeBytes(9), 10U);
  EXPECT_EQ(PadmeBytes(12), 12U);
  EXPECT_EQ(PadmeBytes(100), 104U);
  EXPECT_EQ(PadmeBytes(1000), 1024U);
  EXPECT_EQ(PadmeBytes(1U << 20), 1U << 20);
  EXPECT_EQ(PadmeBytes((1U << 20) + 1), (1U << 20) + (1U << 15));
}

TEST(PadmeTest, NeverShrinksAddsAtMostAnEighthAndIsStable) {
  for (std::uint64_t bytes = 1; bytes < 200'000; ++bytes) {
    const std::uint64_t padded = PadmeBytes(bytes);
    ASSERT_GE(padded, bytes);
    ASSERT_LE((padded - bytes) * 8, bytes) << bytes;
    ASSERT_EQ(PadmeBytes(padded), padded);
  }
}

TEST(FrameTest, RoundTripsEverySizeAndCompression) {
  for (const std::size_t size :
       {0U, 1U, 11U, 12U, 13U, 100U, 4095U, 65536U, 1'000'000U, 4U << 20}) {
    for (const Compression compression :
         {Compression::kNone, Compression::kProbe, Compression::kAlways}) {
      for (const Bytes& content : {RandomBytes(size, size), TextBytes(size, size)}) {
        const auto frame = Frame::Make(content, compression);
        ASSERT_TRUE(frame.ok());
        EXPECT_EQ(frame->raw_bytes(), size);
        EXPECT_EQ(PadmeBytes(frame->view().size()), frame->view().size());
        EXPECT_EQ(DecodeFrame(frame->view()).value(), content);
      }
    }
  }
}

TEST(FrameTest, TheProbeCompressesTextAndLeavesNoiseAlone) {
  EXPECT_EQ(FrameBytes(TextBytes(1, 1 << 20), Compression::kProbe)[0], std::byte{1});
  EXPECT_EQ(FrameBytes(RandomBytes(1, 1 << 20), Compression::kProbe)[0], std::byte{0});
  EXPECT_EQ(FrameBytes(TextBytes(1, 1 << 20), Compression::kNone)[0], std::byte{0});
}

TEST(FrameTest, NoiseIsStoredRawEvenWhereCompressionIsForced) {
  EXPECT_EQ(FrameBytes(RandomBytes(2, 70'000), Compression::kAlways)[0], std::byte{0});
}

TEST(FrameTest, RefusesContentOverTheLimit) {
  const Bytes content(kFrameContentBytesMax + 1);
  EXPECT_EQ(Frame::Make(content, Compression::kProbe).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Frame::Make(ByteView(content).first(kFrameContentBytesMax), Compression::kNone).ok());
}

// Each byte of header and padding means something, or must be what it is.
TEST(FrameTest, RefusesAChangedHeaderOrPadding) {
  const Bytes good = FrameBytes(TextBytes(3, 1001), Compression::kNone);
  const std::size_t padding_at = 12 + 1001;
  ASSERT_GT(good.size(), padding_at);
  for (std::size_t at = 0; at < good.size(); ++at) {
    if (at >= 12 && at < padding_at) continue;
    for (int bit = 0; bit < 8; ++bit) {
      Bytes bad = good;
      bad[at] ^= static_cast<std::byte>(1 << bit);
      EXPECT_EQ(DecodeFrame(bad).status().code(), absl::StatusCode::kDataLoss) << at;
    }
  }
}

TEST(FrameTest, RefusesEveryTruncation) {
  const Bytes good = FrameBytes(TextBytes(4, 3000), Compression::kAlways);
  ASSERT_EQ(good[0], std::byte{1});
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeFrame(ByteView(good).first(size)).ok()) << size;
  }
}

// A flipped bit in a zstd body may decode to something else (the cipher's tag
// is what authenticates it) but never to another length.
TEST(FrameTest, ADamagedBodyNeverChangesTheLength) {
  const Bytes good = FrameBytes(TextBytes(5, 3000), Compression::kAlways);
  for (std::size_t at = 12; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= std::byte{0x10};
    const auto content = DecodeFrame(bad);
    if (content.ok()) {
      EXPECT_EQ(content->size(), 3000U);
    }
  }
}

TEST(FrameTest, RefusesAZstdBodyThatGivesMoreOrLessThanItSays) {
  Bytes frame = FrameBytes(TextBytes(6, 3000), Compression::kAlways);
  for (const std::uint32_t raw_bytes : {2999U, 3001U, kFrameContentBytesMax}) {
    StoreLe32(frame, 4, raw_bytes);
    EXPECT_EQ(DecodeFrame(frame).status().code(), absl::StatusCode::kDataLoss);
  }
}

// A frame header that asks the decoder for a window of 16 MiB.
TEST(FrameTest, RefusesAWindowOverTheLimit) {
  Bytes frame(12);
  frame[0] = std::byte{1};
  const Bytes body = testing::Hex(
      "28b52ffd"  // Magic.
      "80"        // Content size in 4 bytes, not a single segment.
      "70"        // Window exponent 14: 16 MiB.
      "00000001"  // Content: 16 MiB.
      "030080"    // Last block, run-length, 1 MiB.
      "00");
  StoreLe32(frame, 4, 16U << 20);
  StoreLe32(frame, 8, static_cast<std::uint32_t>(body.size()));
  Append(frame, body);
  frame.resize(PadmeBytes(frame.size()));
  const absl::Status status = DecodeFrame(frame).status();
  EXPECT_NE(status.message().find("window"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace mooring::storage
