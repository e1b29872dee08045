// Sealed streams: a long run of bytes, compressed, sealed in segments that cannot
// be reordered, left out or cut off, with a hash at the end. For catalog exports.
//
// Format: storage/design/repository-format.md, "Catalog export".

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"

namespace mooring::storage {

// Longest segment before it is sealed; also what a reader holds at a time.
inline constexpr std::size_t kStreamSegmentBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kStreamHeaderBytes = 64;

// What the header says in clear; authenticated with every segment.
struct SealedStreamInfo {
  absl::Time made_at;  // To the microsecond.
  std::uint64_t epoch = 0;
};

// Thread-bound. After an error it is spent.
class SealedStreamWriter {
 public:
  using Sink = std::function<absl::Status(ByteView)>;

  // `root_key` is 32 bytes, used during the call alone; a key of the stream's own
  // is derived from it with a random salt.
  SealedStreamWriter(const SecretBytes& root_key, Random& random, const SealedStreamInfo& info,
                     Sink sink);
  ~SealedStreamWriter();

  absl::Status Write(ByteView bytes);
  // Ends it: once, and nothing after it.
  absl::Status Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Fills as much of `out` as there is; less only at the end.
using StreamSource = std::function<absl::StatusOr<std::size_t>(std::span<std::byte> out)>;

// The header alone; nothing is authenticated. kDataLoss: not one.
absl::StatusOr<SealedStreamInfo> PeekSealedStream(ByteView header);

// Reads a stream to its end and gives the content to `sink` in pieces. What a
// piece says is authentic, but the stream may still turn out to be cut off:
// only OK says that all of it was there.
//
// kDataLoss: damaged, cut off, or over `bytes_max` of content. kPermissionDenied:
// sealed under another key.
absl::Status ReadSealedStream(const SecretBytes& root_key, const StreamSource& source,
                              std::uint64_t bytes_max,
                              absl::FunctionRef<absl::Status(ByteView)> sink);

}  // namespace mooring::storage
