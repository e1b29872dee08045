#include "storage/seal/sealed_chunk.h"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/seal/aead.h"
#include "storage/seal/digest.h"

namespace mooring::storage {
namespace {

constexpr std::string_view kLabel = "mooring/chunk/1";
constexpr std::byte kSuite{1};
constexpr std::size_t kHeaderBytes = 4;
constexpr std::size_t kFrameBytesMin = 12;
// Zero for every chunk: each key seals exactly one message (sealing.md, S1).
constexpr std::array<std::byte, kAeadNonceBytes> kNonce{};

static_assert(kSealedOverheadBytes == kHeaderBytes + kAeadTagBytes);

template <typename IdType>
IdType IdOf(const Sha256Digest& digest) {
  return *IdType::FromBytes(ByteView(digest));
}

}  // namespace

ChunkSealer::ChunkSealer(const SecretBytes& domain_secret) : domain_secret_(domain_secret.Clone()) {
  MOORING_CHECK(domain_secret_.size() == 32);
}

absl::StatusOr<SealedChunk> ChunkSealer::Seal(Frame frame, ChunkKind kind) const {
  static_assert(Frame::kFrontBytes == kHeaderBytes && Frame::kBackBytes == kAeadTagBytes);
  const Sha256Digest hash = Sha256(frame.view());
  const std::array<std::byte, kHeaderBytes> header = {kSuite, static_cast<std::byte>(kind),
                                                      std::byte{0}, std::byte{0}};
  // HKDF-Expand of one block, written as the HMAC that it is (RFC 5869).
  constexpr std::array<std::byte, 1> kFirstBlock = {std::byte{1}};
  const Sha256Digest key = HmacSha256(
      domain_secret_.view(), {AsBytes(kLabel), ByteView(header).first(2), hash, kFirstBlock});

  SealedChunk chunk;
  chunk.bytes = std::move(frame.bytes_);
  std::copy(header.begin(), header.end(), chunk.bytes.begin());
  const std::size_t plain_bytes = chunk.bytes.size() - kHeaderBytes;
  chunk.bytes.resize(chunk.bytes.size() + kAeadTagBytes);
  const std::span<std::byte> body = std::span(chunk.bytes).subspan(kHeaderBytes);
  AeadSeal(key, kNonce, {AsBytes(kLabel), header}, body.first(plain_bytes), body);
  chunk.id = ChunkIdOf(chunk.bytes);
  chunk.key = IdOf<ChunkKey>(key);
  chunk.frame_hash = IdOf<FrameHash>(hash);
  chunk.raw_bytes = frame.raw_bytes_;
  return chunk;
}

ChunkId ChunkIdOf(ByteView sealed) {
  return IdOf<ChunkId>(Sha256(sealed));
}

absl::Status CheckSealedChunk(ByteView sealed) {
  const auto bad = [](std::string_view what) {
    return absl::InvalidArgumentError(ToAbsl(fmt::format("sealed chunk: {}", what)));
  };
  if (sealed.size() < kSealedOverheadBytes + kFrameBytesMin) return bad("too short");
  if (sealed.size() > kSealedChunkBytesMax) {
    return bad(
        fmt::format("{} bytes, at most {} are allowed", sealed.size(), kSealedChunkBytesMax));
  }
  if (sealed[0] != kSuite) {
    return bad(fmt::format("unknown suite {}", std::to_integer<int>(sealed[0])));
  }
  const auto kind = std::to_integer<int>(sealed[1]);
  if (kind < 1 || kind > 3) return bad(fmt::format("unknown kind {}", kind));
  if (LoadLe16(sealed, 2) != 0) return bad("reserved bytes in use");
  const std::size_t frame_bytes = sealed.size() - kSealedOverheadBytes;
  if (PadmeBytes(frame_bytes) != frame_bytes) return bad("length is not a padded length");
  return absl::OkStatus();
}

absl::StatusOr<OpenedChunk> OpenChunk(ByteView sealed, const ChunkId& id, const ChunkKey& key) {
  if (absl::Status form = CheckSealedChunk(sealed); !form.ok()) {
    return absl::DataLossError(form.message());
  }
  if (ChunkIdOf(sealed) != id) {
    return absl::DataLossError("sealed chunk: its bytes do not hash to its id");
  }
  // Not cleared first, as a vector would be.
  const std::size_t frame_bytes = sealed.size() - kSealedOverheadBytes;
  const std::unique_ptr<std::byte[]> room(new std::byte[frame_bytes]);
  const std::span<std::byte> frame(room.get(), frame_bytes);
  const absl::Status opened =
      AeadOpen(key.view(), kNonce, {AsBytes(kLabel), sealed.first(kHeaderBytes)},
               sealed.subspan(kHeaderBytes), frame);
  if (!opened.ok()) return Annotate(opened, "sealed chunk");
  OpenedChunk chunk;
  chunk.kind = static_cast<ChunkKind>(sealed[1]);
  chunk.frame_hash = IdOf<FrameHash>(Sha256(frame));
  MOORING_ASSIGN_OR_RETURN(chunk.content, DecodeFrame(frame));
  return chunk;
}

}  // namespace mooring::storage
