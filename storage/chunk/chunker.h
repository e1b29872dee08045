// Chunker: where to cut content into chunks.
//
// Keyed FastCDC (Xia et al. 2016), 256 KiB / 1 MiB / 4 MiB, where a secret gear
// table proposes a cut and a keyed AES PRF of the fingerprint must agree, so
// that chunk lengths do not give the key away. Media is not scanned: pieces of
// 4 MiB. Specified in storage/design/repository-format.md, "Chunker".

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "storage/base/bytes.h"
#include "storage/base/secret_bytes.h"

namespace mooring::storage {

inline constexpr std::size_t kChunkBytesMin = 256U << 10;
inline constexpr std::size_t kChunkBytesAverage = 1U << 20;
inline constexpr std::size_t kChunkBytesMax = 4U << 20;

// Immutable, hence safe to share between threads.
class Chunker {
 public:
  // `chunker_secret` is 32 bytes.
  explicit Chunker(const SecretBytes& chunker_secret);
  ~Chunker();
  Chunker(const Chunker&) = delete;
  Chunker& operator=(const Chunker&) = delete;

  // Length of the chunk that begins at data[0]: in [kChunkBytesMin, kChunkBytesMax]
  // where content goes on, data.size() where it ends. `data` holds everything
  // that is left of the content (`is_end`) or at least kChunkBytesMax bytes.
  std::size_t NextCut(ByteView data, bool is_end) const;

  // Whether the first bytes of a file say that it is media (already compressed):
  // such a file is cut every kChunkBytesMax bytes and not scanned.
  static bool IsMedia(ByteView head);

 private:
  struct Keys;
  std::unique_ptr<Keys> keys_;
};

// Bytes of a file's head that IsMedia wants to see, where the file has them.
inline constexpr std::size_t kMediaHeadBytes = 64;

}  // namespace mooring::storage
