// The small objects that are the repository's own: the one that names it, the
// tombstone of a deleted snapshot, and the epoch of garbage collection. Layout:
// storage/design/repository-format.md.

#pragma once

#include <cstdint>
#include <string>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"

namespace mooring::storage {

using RepositoryId = Id<struct RepositoryIdTag, 16>;

inline constexpr std::uint32_t kRepositoryFormatVersion = 1;
// Longest actor and reason of a deletion, in bytes.
inline constexpr std::size_t kActorBytesMax = 256;
inline constexpr std::size_t kReasonBytesMax = 4096;

Bytes EncodeRepositoryObject(const RepositoryId& id);
// kDataLoss: damaged. kFailedPrecondition: of a version that we do not read.
absl::StatusOr<RepositoryId> DecodeRepositoryObject(ByteView bytes);

struct Tombstone {
  SnapshotId snapshot;
  absl::Time deleted_at;  // To the microsecond.
  std::string actor;
  std::string reason;

  friend bool operator==(const Tombstone&, const Tombstone&) = default;
};

// Actor and reason are within their bounds.
Bytes EncodeTombstone(const Tombstone& tombstone);
// kDataLoss: damaged. kFailedPrecondition: of a version that we do not read.
absl::StatusOr<Tombstone> DecodeTombstone(ByteView bytes);

// The object gc/epoch-<epoch>, whose key says all that it has to say.
Bytes EncodeEpochObject(std::uint64_t epoch);

}  // namespace mooring::storage
