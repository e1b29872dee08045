// Frame: the exact bytes that are encrypted. Content, compressed or not, with
// its lengths in front and zero padding to a Padmé size behind.
//
// Format: storage/design/repository-format.md, "Frame".

#pragma once

#include <cstdint>

#include <absl/status/statusor.h>

#include "storage/base/bytes.h"

namespace mooring::storage {

// Largest content of one frame, in bytes.
inline constexpr std::uint32_t kFrameContentBytesMax = 16U << 20;

// Whether to try zstd. Probing costs about 3 % of what compressing would.
enum class Compression { kNone, kProbe, kAlways };

// The only thing that can be sealed: a chunk key is derived from the hash of
// these bytes, so no other bytes may ever be encrypted under it. Immutable, until
// ChunkSealer takes it and encrypts it where it lies.
class Frame {
 public:
  // kInvalidArgument: `content` is over kFrameContentBytesMax. Empty content is allowed.
  static absl::StatusOr<Frame> Make(ByteView content, Compression compression);

  ByteView view() const { return ByteView(bytes_).subspan(kFrontBytes); }
  std::uint32_t raw_bytes() const { return raw_bytes_; }

 private:
  friend class ChunkSealer;
  // Room before the frame and behind it for what sealing adds.
  static constexpr std::size_t kFrontBytes = 4;
  static constexpr std::size_t kBackBytes = 16;

  Frame(Bytes bytes, std::uint32_t raw_bytes) : bytes_(std::move(bytes)), raw_bytes_(raw_bytes) {}

  Bytes bytes_;  // With the front, and capacity for the back.
  std::uint32_t raw_bytes_;
};

// The content of a frame. kDataLoss for anything that Frame::Make cannot have made.
absl::StatusOr<Bytes> DecodeFrame(ByteView frame);

// Smallest Padmé size that is at least `bytes` (Nikitin et al., PETS 2019).
std::uint64_t PadmeBytes(std::uint64_t bytes);

}  // namespace mooring::storage
