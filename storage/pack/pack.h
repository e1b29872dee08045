// Packs: immutable objects of many sealed chunks that describe themselves.
// Format: storage/design/repository-format.md, "Pack".

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"

namespace mooring::storage {

inline constexpr std::uint64_t kPackBytesMax = std::uint64_t{64} << 20;

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
// a sink and keeps only the footer's rows. Thread-bound.
class PackWriter {
 public:
  using Sink = absl::FunctionRef<absl::Status(ByteView)>;

  // `pack_index_key` is 32 bytes and outlives the writer.
  PackWriter(const SecretBytes& pack_index_key, Random& random, PackId pack, SessionId session,
             DeviceId device, absl::Time created_at);

  absl::Status Begin(Sink sink);
  // The caller has verified that `id` is the hash of `sealed`.
  absl::Status Add(const ChunkId& id, const DomainId& domain, ByteView sealed, Sink sink);
  // Footer and trailer. Returns the SHA-256 of the whole object.
  absl::StatusOr<Bytes> Finish(Sink sink);

  std::uint64_t size_bytes() const;  // Written so far.
  const PackFooter& footer() const;

 private:
  const SecretBytes& pack_index_key_;
  Random& random_;
  PackFooter footer_;
  std::uint64_t size_bytes_ = 0;
  struct Hash;
  std::shared_ptr<Hash> hash_;
  Bytes header_;
};

// Reads `out.size()` bytes at `offset` of the pack object.
using PackReadAt = std::function<absl::Status(std::uint64_t offset, std::span<std::byte> out)>;

// The footer of a pack object of `size_bytes`. Bounded before anything is
// allocated. kDataLoss: damaged, truncated or lying; kPermissionDenied: sealed
// under another pack-index key.
absl::StatusOr<PackFooter> ReadPackFooter(const SecretBytes& pack_index_key,
                                          std::uint64_t size_bytes, const PackReadAt& read_at);

// Reads the whole pack, checking the trailer's hash and every chunk's id;
// `bad` is called for each entry whose bytes do not hash to its id.
absl::Status VerifyPack(const PackFooter& footer, std::uint64_t size_bytes,
                        const PackReadAt& read_at, absl::FunctionRef<void(const PackEntry&)> bad);

}  // namespace mooring::storage
