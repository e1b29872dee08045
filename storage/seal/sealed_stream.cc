#include "storage/seal/sealed_stream.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <zstd.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/seal/aead.h"
#include "storage/seal/digest.h"

namespace mooring::storage {
namespace {

constexpr std::string_view kMagic = "MCX1";
constexpr std::byte kSuite{1};
constexpr std::string_view kKeyLabel = "mooring/catalog-export/1";
constexpr std::string_view kKeyIdLabel = "mooring/catalog-export-key-id/1";
// Header: magic 4, suite u8, zero 3, made at u64, epoch u64, key id 8, salt 32.
constexpr std::size_t kMadeAt = 8;
constexpr std::size_t kEpochAt = 16;
constexpr std::size_t kKeyIdAt = 24;
constexpr std::size_t kKeyIdBytes = 8;
constexpr std::size_t kSaltAt = 32;
constexpr std::size_t kLengthBytes = 4;
constexpr int kLevel = 3;
constexpr int kWindowLogMax = 23;  // 8 MiB.

absl::Status Bad(std::string_view what) {
  return absl::DataLossError(fmt::format("sealed stream: {}", what));
}

using Nonce = std::array<std::byte, kAeadNonceBytes>;

// Segment number (u64), 1 for the last segment (u8), zero 3. A key seals one stream.
Nonce NonceOf(std::uint64_t segment, bool is_last) {
  Bytes bytes;
  AppendLe64(bytes, segment);
  AppendLe32(bytes, is_last ? 1 : 0);
  Nonce nonce{};
  std::copy(bytes.begin(), bytes.end(), nonce.begin());
  return nonce;
}

struct CctxFree {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct DctxFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

absl::Status ReadFull(const StreamSource& source, std::span<std::byte> out) {
  MOORING_ASSIGN_OR_RETURN(const std::size_t read, source(out));
  return read == out.size() ? absl::OkStatus() : Bad("cut off");
}

}  // namespace

struct SealedStreamWriter::State {
  SecretBytes key;
  Bytes header;
  Sink sink;
  Sha256Stream hash;
  std::unique_ptr<ZSTD_CCtx, CctxFree> zstd{ZSTD_createCCtx()};
  Bytes segment;  // Compressed, not sealed yet.
  std::uint64_t segments = 0;
  bool has_begun = false;

  absl::Status Give(ByteView bytes) {
    hash.Update(bytes);
    return sink(bytes);
  }

  absl::Status Seal(bool is_last) {
    if (!has_begun) MOORING_RETURN_IF_ERROR(Give(header));
    has_begun = true;
    Bytes out;
    AppendLe32(out, static_cast<std::uint32_t>(segment.size() + kAeadTagBytes));
    out.resize(kLengthBytes + segment.size() + kAeadTagBytes);
    AeadSeal(key.view(), NonceOf(segments, is_last), {ByteView(header)}, segment,
             std::span(out).subspan(kLengthBytes));
    ++segments;
    segment.clear();
    return Give(out);
  }

  absl::Status Compress(ByteView bytes, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    while (true) {
      const std::size_t before = segment.size();
      segment.resize(kStreamSegmentBytesMax);
      ZSTD_outBuffer out{segment.data(), segment.size(), before};
      const std::size_t left = ZSTD_compressStream2(zstd.get(), &out, &in, directive);
      segment.resize(out.pos);
      if (ZSTD_isError(left) != 0) {
        return absl::InternalError(fmt::format("sealed stream: {}", ZSTD_getErrorName(left)));
      }
      if (segment.size() == kStreamSegmentBytesMax) {
        MOORING_RETURN_IF_ERROR(Seal(false));
        continue;
      }
      const bool is_done = directive == ZSTD_e_end ? left == 0 : in.pos == in.size;
      if (is_done) return absl::OkStatus();
    }
  }
};

SealedStreamWriter::SealedStreamWriter(const SecretBytes& root_key, Random& random,
                                       const SealedStreamInfo& info, Sink sink)
    : state_(std::make_unique<State>()) {
  MOORING_CHECK(root_key.size() == kAeadKeyBytes);
  MOORING_CHECK(state_->zstd != nullptr);
  ZSTD_CCtx_setParameter(state_->zstd.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(state_->zstd.get(), ZSTD_c_checksumFlag, 0);
  Bytes& header = state_->header;
  header = ToBytes(kMagic);
  header.push_back(kSuite);
  header.resize(kMadeAt);
  AppendLe64(header, static_cast<std::uint64_t>(absl::ToUnixMicros(info.made_at)));
  AppendLe64(header, info.epoch);
  Append(header, HkdfExpand(root_key.view(), {AsBytes(kKeyIdLabel)}, kKeyIdBytes).view());
  header.resize(kStreamHeaderBytes);
  random.Fill(std::span(header).subspan(kSaltAt));
  state_->key = HkdfExpand(root_key.view(), {AsBytes(kKeyLabel), ByteView(header).subspan(kSaltAt)},
                           kAeadKeyBytes);
  state_->sink = std::move(sink);
}

SealedStreamWriter::~SealedStreamWriter() = default;

absl::Status SealedStreamWriter::Write(ByteView bytes) {
  return bytes.empty() ? absl::OkStatus() : state_->Compress(bytes, ZSTD_e_continue);
}

absl::Status SealedStreamWriter::Finish() {
  MOORING_RETURN_IF_ERROR(state_->Compress({}, ZSTD_e_end));
  MOORING_RETURN_IF_ERROR(state_->Seal(true));
  const Sha256Digest digest = state_->hash.Finish();
  return state_->sink(digest);
}

absl::StatusOr<SealedStreamInfo> PeekSealedStream(ByteView header) {
  if (header.size() < kStreamHeaderBytes || AsText(header.first(kMagic.size())) != kMagic) {
    return Bad("not one");
  }
  if (header[4] != kSuite) {
    return Bad(fmt::format("unknown suite {}", std::to_integer<int>(header[4])));
  }
  const ByteView zero = header.subspan(5, kMadeAt - 5);
  if (std::any_of(zero.begin(), zero.end(), [](std::byte b) { return b != std::byte{0}; })) {
    return Bad("reserved bytes in use");
  }
  return SealedStreamInfo{
      .made_at = absl::FromUnixMicros(static_cast<std::int64_t>(LoadLe64(header, kMadeAt))),
      .epoch = LoadLe64(header, kEpochAt)};
}

absl::Status ReadSealedStream(const SecretBytes& root_key, const StreamSource& source,
                              std::uint64_t bytes_max,
                              absl::FunctionRef<absl::Status(ByteView)> sink) {
  Bytes header(kStreamHeaderBytes);
  MOORING_RETURN_IF_ERROR(ReadFull(source, header));
  MOORING_RETURN_IF_ERROR(PeekSealedStream(header).status());
  const SecretBytes key_id = HkdfExpand(root_key.view(), {AsBytes(kKeyIdLabel)}, kKeyIdBytes);
  if (!std::ranges::equal(ByteView(header).subspan(kKeyIdAt, kKeyIdBytes), key_id.view())) {
    return absl::PermissionDeniedError("sealed stream: sealed under another key");
  }
  const SecretBytes key = HkdfExpand(
      root_key.view(), {AsBytes(kKeyLabel), ByteView(header).subspan(kSaltAt)}, kAeadKeyBytes);
  const std::unique_ptr<ZSTD_DCtx, DctxFree> zstd(ZSTD_createDCtx());
  MOORING_CHECK(zstd != nullptr);
  ZSTD_DCtx_setParameter(zstd.get(), ZSTD_d_windowLogMax, kWindowLogMax);
  Sha256Stream hash;
  hash.Update(header);
  Bytes sealed;
  Bytes plain;
  Bytes content(ZSTD_DStreamOutSize());
  std::uint64_t given = 0;
  bool frame_is_over = false;
  for (std::uint64_t segment = 0;; ++segment) {
    std::array<std::byte, kLengthBytes> length_bytes{};
    MOORING_RETURN_IF_ERROR(ReadFull(source, length_bytes));
    const std::uint32_t length = LoadLe32(length_bytes, 0);
    if (length < kAeadTagBytes || length > kStreamSegmentBytesMax + kAeadTagBytes) {
      return Bad("a segment of an absurd length");
    }
    sealed.resize(length);
    MOORING_RETURN_IF_ERROR(ReadFull(source, sealed));
    hash.Update(length_bytes);
    hash.Update(sealed);
    plain.resize(length - kAeadTagBytes);
    bool is_last = false;
    absl::Status opened =
        AeadOpen(key.view(), NonceOf(segment, false), {ByteView(header)}, sealed, plain);
    if (!opened.ok()) {
      is_last = true;
      opened = AeadOpen(key.view(), NonceOf(segment, true), {ByteView(header)}, sealed, plain);
    }
    if (!opened.ok()) return Bad(fmt::format("segment {} is not authentic", segment));
    ZSTD_inBuffer in{plain.data(), plain.size(), 0};
    bool may_have_more = true;
    while (in.pos < in.size || may_have_more) {
      if (frame_is_over && in.pos < in.size) return Bad("content behind its end");
      if (frame_is_over) break;
      ZSTD_outBuffer out{content.data(), content.size(), 0};
      const std::size_t left = ZSTD_decompressStream(zstd.get(), &out, &in);
      if (ZSTD_isError(left) != 0) return Bad("does not decompress");
      frame_is_over = left == 0;
      may_have_more = out.pos == out.size;
      given += out.pos;
      if (given > bytes_max) return Bad("more content than it may have");
      if (out.pos > 0) MOORING_RETURN_IF_ERROR(sink(ByteView(content).first(out.pos)));
    }
    if (is_last) break;
  }
  if (!frame_is_over) return Bad("its content is cut off");
  Sha256Digest digest{};
  MOORING_RETURN_IF_ERROR(ReadFull(source, digest));
  if (hash.Finish() != digest) return Bad("the hash at its end does not match");
  std::array<std::byte, 1> more{};
  MOORING_ASSIGN_OR_RETURN(const std::size_t behind, source(more));
  return behind == 0 ? absl::OkStatus() : Bad("bytes behind its end");
}

}  // namespace mooring::storage
