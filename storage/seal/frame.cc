#include "storage/seal/frame.h"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>

#include <fmt/format.h>
#include <zstd.h>

#include "storage/base/check.h"
#include "storage/base/status.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::uint8_t kCodecRaw = 0;
constexpr std::uint8_t kCodecZstd = 1;
constexpr int kZstdLevel = 1;
constexpr std::uint64_t kZstdWindowBytesMax = std::uint64_t{1} << 23;

// The probe looks at the first, middle and last 4 KiB of each MiB.
constexpr std::size_t kProbeSampleBytes = 4096;
constexpr std::size_t kProbeStrideBytes = std::size_t{1} << 20;
// Less than this saved in the samples is not worth compressing the rest.
constexpr std::size_t kProbeSavedMinPercent = 4;

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// One per thread: making one allocates and clears its tables (about a MiB).
// They keep no state from one frame to the next.
ZSTD_CCtx* Compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeCompressor> context(ZSTD_createCCtx());
  MOORING_CHECK(context != nullptr);
  return context.get();
}
ZSTD_DCtx* Decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context(ZSTD_createDCtx());
  MOORING_CHECK(context != nullptr);
  return context.get();
}

// Bytes of the zstd frame, or 0 where it does not fit into `out`.
std::size_t Compress(ByteView content, std::span<std::byte> out) {
  const std::size_t bytes = ZSTD_compressCCtx(Compressor(), out.data(), out.size(), content.data(),
                                              content.size(), kZstdLevel);
  return ZSTD_isError(bytes) != 0 ? 0 : bytes;
}

bool LooksCompressible(ByteView content) {
  constexpr std::size_t kSamples = 3;
  if (content.size() <= kSamples * kProbeSampleBytes) return true;
  std::array<std::byte, ZSTD_COMPRESSBOUND(kProbeSampleBytes)> out;
  std::size_t sampled = 0;
  std::size_t compressed = 0;
  for (std::size_t begin = 0; begin < content.size(); begin += kProbeStrideBytes) {
    const ByteView piece =
        content.subspan(begin, std::min(kProbeStrideBytes, content.size() - begin));
    if (piece.size() < kSamples * kProbeSampleBytes) break;
    const std::size_t last = piece.size() - kProbeSampleBytes;
    for (const std::size_t at : {std::size_t{0}, last / 2, last}) {
      sampled += kProbeSampleBytes;
      compressed += Compress(piece.subspan(at, kProbeSampleBytes), out);
    }
  }
  return compressed * 100 <= sampled * (100 - kProbeSavedMinPercent);
}

void StoreLe32(std::span<std::byte> out, std::size_t offset, std::size_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    out[offset + i] = static_cast<std::byte>((value >> (8 * i)) & 0xff);
  }
}

void WriteHeader(std::span<std::byte> frame, std::uint8_t codec, std::size_t raw_bytes,
                 std::size_t body_bytes) {
  frame[0] = std::byte{codec};
  std::fill(frame.begin() + 1, frame.begin() + 4, std::byte{0});
  StoreLe32(frame, 4, raw_bytes);
  StoreLe32(frame, 8, body_bytes);
}

absl::Status Bad(std::string_view what) {
  return absl::DataLossError(ToAbsl(fmt::format("frame: {}", what)));
}

// The parts of a zstd frame header (RFC 8878, 3.1.1.1) that bound what the
// decoder would spend: no dictionary, no checksum, a window of at most 8 MiB.
absl::Status CheckZstdHeader(ByteView body, std::uint32_t raw_bytes) {
  constexpr std::size_t kDescriptorAt = 4;
  if (body.size() < 6 || LoadLe32(body, 0) != ZSTD_MAGICNUMBER) return Bad("not a zstd body");
  const auto descriptor = std::to_integer<unsigned>(body[kDescriptorAt]);
  if ((descriptor & 0b0000'1111U) != 0) return Bad("zstd body with a dictionary or a checksum");
  const bool single_segment = (descriptor & 0b0010'0000U) != 0;
  if (!single_segment) {
    const auto window = std::to_integer<unsigned>(body[kDescriptorAt + 1]);
    const std::uint64_t base = std::uint64_t{1} << (10 + (window >> 3));
    if (base + base / 8 * (window & 7U) > kZstdWindowBytesMax) return Bad("zstd window over 8 MiB");
  }
  if (ZSTD_getFrameContentSize(body.data(), body.size()) != raw_bytes) {
    return Bad("zstd body of another length than the header says");
  }
  if (ZSTD_findFrameCompressedSize(body.data(), body.size()) != body.size()) {
    return Bad("zstd body is not exactly one frame");
  }
  return absl::OkStatus();
}

struct Header {
  std::uint8_t codec;
  std::uint32_t raw_bytes;
  std::uint32_t body_bytes;
};

absl::StatusOr<Header> ReadHeader(ByteView frame) {
  if (frame.size() < kHeaderBytes) return Bad("too short");
  const Header header{std::to_integer<std::uint8_t>(frame[0]), LoadLe32(frame, 4),
                      LoadLe32(frame, 8)};
  if (header.codec > kCodecZstd) return Bad(fmt::format("unknown codec {}", header.codec));
  if (frame[1] != std::byte{0} || LoadLe16(frame, 2) != 0) return Bad("reserved bytes in use");
  if (header.raw_bytes > kFrameContentBytesMax) return Bad("content over 16 MiB");
  if (header.body_bytes > frame.size() - kHeaderBytes) return Bad("body longer than the frame");
  const std::size_t used = kHeaderBytes + header.body_bytes;
  if (frame.size() != PadmeBytes(used)) return Bad("length is not the padded length of its body");
  const ByteView padding = frame.subspan(used);
  if (std::any_of(padding.begin(), padding.end(), [](std::byte b) { return b != std::byte{0}; })) {
    return Bad("padding is not zero");
  }
  if (header.codec == kCodecRaw && header.body_bytes != header.raw_bytes) {
    return Bad("raw body of another length than the header says");
  }
  if (header.codec == kCodecZstd && header.body_bytes >= header.raw_bytes) {
    return Bad("compressed body that saves nothing");
  }
  return header;
}

}  // namespace

std::uint64_t PadmeBytes(std::uint64_t bytes) {
  if (bytes < 2) return bytes;
  // Keep as many leading bits as the exponent has bits; round the rest up.
  const unsigned exponent = 63U - static_cast<unsigned>(std::countl_zero(bytes));
  const unsigned kept = 32U - static_cast<unsigned>(std::countl_zero(exponent));
  const std::uint64_t mask = (std::uint64_t{1} << (exponent - kept)) - 1;
  return (bytes + mask) & ~mask;
}

absl::StatusOr<Frame> Frame::Make(ByteView content, Compression compression) {
  if (content.size() > kFrameContentBytesMax) {
    return absl::InvalidArgumentError(ToAbsl(fmt::format(
        "frame: content of {} bytes, at most {} fit", content.size(), kFrameContentBytesMax)));
  }
  const auto raw_bytes = static_cast<std::uint32_t>(content.size());
  const std::size_t raw_frame_bytes = PadmeBytes(kHeaderBytes + content.size());
  const bool compress = compression == Compression::kAlways ||
                        (compression == Compression::kProbe && LooksCompressible(content));
  Bytes frame;
  if (compress && !content.empty()) {
    // Room for less than the content: what does not fit is not worth having. Not
    // cleared first, as a vector would be.
    const std::unique_ptr<std::byte[]> room(new std::byte[content.size() - 1]);
    const std::size_t body = Compress(content, {room.get(), content.size() - 1});
    const std::size_t padded = PadmeBytes(kHeaderBytes + body);
    if (body != 0 && padded < raw_frame_bytes) {
      frame.reserve(kFrontBytes + padded + kBackBytes);
      frame.resize(kFrontBytes + kHeaderBytes);
      WriteHeader(std::span(frame).subspan(kFrontBytes), kCodecZstd, raw_bytes, body);
      Append(frame, ByteView(room.get(), body));
      frame.resize(kFrontBytes + padded);
      return Frame(std::move(frame), raw_bytes);
    }
  }
  frame.reserve(kFrontBytes + raw_frame_bytes + kBackBytes);
  frame.resize(kFrontBytes + kHeaderBytes);
  WriteHeader(std::span(frame).subspan(kFrontBytes), kCodecRaw, raw_bytes, raw_bytes);
  Append(frame, content);
  frame.resize(kFrontBytes + raw_frame_bytes);
  return Frame(std::move(frame), raw_bytes);
}

absl::StatusOr<Bytes> DecodeFrame(ByteView frame) {
  MOORING_ASSIGN_OR_RETURN(const Header header, ReadHeader(frame));
  const ByteView body = frame.subspan(kHeaderBytes, header.body_bytes);
  if (header.codec == kCodecRaw) return Bytes(body.begin(), body.end());
  MOORING_RETURN_IF_ERROR(CheckZstdHeader(body, header.raw_bytes));
  Bytes content(header.raw_bytes);
  const std::size_t bytes =
      ZSTD_decompressDCtx(Decompressor(), content.data(), content.size(), body.data(), body.size());
  if (ZSTD_isError(bytes) != 0 || bytes != content.size()) return Bad("damaged zstd body");
  return content;
}

}  // namespace mooring::storage
