// Sealed chunks: deterministic authenticated encryption of frames, named by the
// hash of the result, so that a server without keys can check every one.
//
// Format and argument: storage/design/sealing.md.

#pragma once

#include <cstdint>

#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/secret_bytes.h"
#include "storage/seal/frame.h"

namespace mooring::storage {

enum class ChunkKind : std::uint8_t {
  kFileData = 1,
  kManifestSegment = 2,
  kDeviceMetadata = 3,
};

// Opens one sealed chunk. Manifests carry it; a grant reaches it through SK.
using ChunkKey = Id<struct ChunkKeyTag, 32>;
// SHA-256 of a frame.
using FrameHash = Id<struct FrameHashTag, 32>;

// Bytes that sealing adds to a frame: 4 of header, 16 of tag.
inline constexpr std::uint32_t kSealedOverheadBytes = 20;
inline constexpr std::uint32_t kSealedChunkBytesMax = (16U << 20) + (2U << 20);

struct SealedChunk {
  ChunkId id;
  ChunkKey key;
  FrameHash frame_hash;
  std::uint32_t raw_bytes = 0;
  Bytes bytes;
};

// Seals under one domain secret. Thread-safe.
class ChunkSealer {
 public:
  // `domain_secret` is 32 bytes.
  explicit ChunkSealer(const SecretBytes& domain_secret);

  // Takes a frame and nothing else: there is no way to name the key.
  absl::StatusOr<SealedChunk> Seal(Frame frame, ChunkKind kind) const;

 private:
  SecretBytes domain_secret_;
};

// SHA-256 of the sealed bytes.
ChunkId ChunkIdOf(ByteView sealed);

// What a server without keys checks on arrival: suite, kind, reserved bytes and
// length. kInvalidArgument says what is wrong.
absl::Status CheckSealedChunk(ByteView sealed);

struct OpenedChunk {
  ChunkKind kind = ChunkKind::kFileData;
  Bytes content;
  FrameHash frame_hash;
};

// Verifies the id, then the tag, then the frame. kDataLoss if any fails.
absl::StatusOr<OpenedChunk> OpenChunk(ByteView sealed, const ChunkId& id, const ChunkKey& key);

}  // namespace mooring::storage
