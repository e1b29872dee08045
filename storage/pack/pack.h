// Packs: immutable objects of many sealed chunks that describe themselves.
// Format: storage/design/repository-format.md, "Pack".

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"
#include "storage/seal/digest.h"

namespace mooring::storage {

// Longest pack object, footer and trailer included, and most chunks in one.
inline constexpr std::uint64_t kPackBytesMax = std::uint64_t{64} << 20;
inline constexpr std::uint32_t kPackEntriesMax = 1U << 16;

// Where one chunk lies in its pack.
struct PackEntry {
  ChunkId id;
  DomainId domain;
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;

  friend bool operator==(const PackEntry&, const PackEntry&) = default;
};

struct PackFooter {
  PackId pack;
  SessionId session;
  DeviceId device;
  absl::Time created_at;
  std::vector<PackEntry> entries;  // In the order of their offsets.
};

// Streams one pack: Begin once, Add for each chunk, Finish once. Gives bytes to
// a sink and keeps only the footer's rows. After an error of the sink the pack
// is lost. Thread-bound.
class PackWriter {
 public:
  using Sink = absl::FunctionRef<absl::Status(ByteView)>;

  // `pack_index_key` is 32 bytes and outlives the writer.
  PackWriter(const SecretBytes& pack_index_key, Random& random, PackId pack, SessionId session,
             DeviceId device, absl::Time created_at);

  absl::Status Begin(Sink sink);
  // The caller has verified that `id` is the hash of `sealed`.
  // kResourceExhausted: no room (see has_room_for); the pack stays good.
  absl::Status Add(const ChunkId& id, const DomainId& domain, ByteView sealed, Sink sink);
  // Footer and trailer. Returns the pack hash of the trailer, which commits to
  // every byte of the object by way of the chunk ids, so that the bodies are
  // not hashed a second time.
  absl::StatusOr<Bytes> Finish(Sink sink);

  // Whether a chunk of `bytes` can still be added.
  bool has_room_for(std::uint64_t bytes) const;
  std::uint64_t size_bytes() const { return size_bytes_; }  // Written so far.
  const PackFooter& footer() const { return footer_; }

 private:
  absl::Status Write(ByteView bytes, Sink sink);

  const SecretBytes& pack_index_key_;
  Random& random_;
  PackFooter footer_;
  std::uint64_t size_bytes_ = 0;
  Bytes header_;
  Sha256Stream hash_;
};

// Reads `out.size()` bytes at `offset` of the pack object.
using PackReadAt = std::function<absl::Status(std::uint64_t offset, std::span<std::byte> out)>;

// The footer of a pack object of `size_bytes`. Bounded before anything is
// allocated; checks the pack hash, which covers header, ids, footer and
// trailer, and so everything but the bodies themselves. kDataLoss: damaged,
// truncated or lying; kPermissionDenied: sealed under another pack-index key.
absl::StatusOr<PackFooter> ReadPackFooter(const SecretBytes& pack_index_key,
                                          std::uint64_t size_bytes, const PackReadAt& read_at);

// Reads every chunk of the pack and checks it against its id; `bad` is called
// for each entry whose bytes do not hash to it. kDataLoss: the object is not as
// long as the footer says; other errors are those of `read_at`.
absl::Status VerifyPack(const PackFooter& footer, std::uint64_t size_bytes,
                        const PackReadAt& read_at, absl::FunctionRef<void(const PackEntry&)> bad);

}  // namespace mooring::storage
