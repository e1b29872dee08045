// The manifest of one snapshot: its entries by path, its sealed segments and
// its sealed root. Format: storage/design/repository-format.md, "Manifest".

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "mooring/format/v1/manifest.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"
#include "storage/seal/digest.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::storage {

// Longest path, in bytes, and deepest nesting, that a snapshot may hold.
inline constexpr std::size_t kPathBytesMax = 4096;
inline constexpr std::size_t kPathDepthMax = 128;
inline constexpr std::uint64_t kEntriesMax = 20'000'000;
// Most extents of one file: 512 GiB of media, 128 GiB of anything else.
inline constexpr std::size_t kExtentsMax = 131'072;
// Longest target of a symbolic link, in bytes.
inline constexpr std::size_t kTargetBytesMax = 4096;
// Most domains that one snapshot refers to.
inline constexpr std::size_t kDomainsMax = 64;
// Most entries and extents of one segment, and most segments of one snapshot.
inline constexpr std::size_t kSegmentEntriesMax = 1024;
inline constexpr std::size_t kSegmentExtentsMax = 2 * kExtentsMax;
inline constexpr std::size_t kSegmentsMax = 1U << 18;
// Longest sealed root, in bytes.
inline constexpr std::size_t kRootBytesMax = 64U << 20;

enum class EntryType : std::uint8_t { kFile = 1, kDirectory = 2, kSymlink = 3 };

// Hash over a file's extents: SHA-256 of, for each extent in order, frame hash
// (32), offset (u32 LE), bytes (u32 LE). No second pass over the content.
using FileDigest = Id<struct FileDigestTag, 32>;

// Computes a file's digest from its extents in order. Thread-bound.
class FileDigester {
 public:
  void Add(const FrameHash& frame, std::uint32_t offset, std::uint32_t bytes);
  // Ends it: call once, and nothing after it. A file without extents has the
  // hash of nothing.
  FileDigest Finish();

 private:
  Sha256Stream hash_;
};

// A chunk as a manifest names it.
struct ChunkRef {
  ChunkId id;
  ChunkKey key;
  std::uint32_t raw_bytes = 0;
  DomainId domain;

  friend bool operator==(const ChunkRef&, const ChunkRef&) = default;
};

struct Extent {
  ChunkRef chunk;
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;

  friend bool operator==(const Extent&, const Extent&) = default;
};

struct Entry {
  EntryType type = EntryType::kFile;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_unix_ns = 0;
  std::uint32_t mode = 0;
  FileDigest digest;
  std::vector<Extent> extents;
  std::string target;

  friend bool operator==(const Entry&, const Entry&) = default;
};

// OK for an entry that may stand in a manifest: extents within their chunks and
// adding up to the size, for files alone; a target for symbolic links alone.
// kInvalidArgument says what is wrong.
absl::Status CheckEntry(const Entry& entry);

// OK for a path that may stand in a manifest: relative, components that are not
// empty, "." or "..", no NUL, at most kPathBytesMax bytes and kPathDepthMax
// components. kInvalidArgument otherwise.
absl::Status CheckSnapshotPath(std::string_view path);

// Header fields of a root, authenticated with it.
struct RootHeader {
  SnapshotId snapshot;
  DeviceId device;
  SnapshotId parent;
  std::uint64_t sequence = 0;
  std::int64_t created_unix_us = 0;
};

struct Root {
  RootHeader header;
  format::v1::ManifestRoot body;
};

// Seals `root` under the snapshot key SK (32 bytes) with a random nonce.
// kInvalidArgument: a body that OpenRoot would refuse.
absl::StatusOr<Bytes> SealRoot(const SecretBytes& snapshot_key, Random& random, const Root& root);
// kDataLoss: damaged, another key, or over its bounds.
absl::StatusOr<Root> OpenRoot(const SecretBytes& snapshot_key, ByteView sealed);
// Reads the header alone, without a key; its fields are not authenticated.
absl::StatusOr<RootHeader> PeekRoot(ByteView sealed);

// Digest over domains and their ids, as ManifestRoot.refs_digest. Neither the
// order of the domains and ids nor repetitions matter.
Bytes RefsDigest(const std::vector<std::pair<DomainId, std::vector<ChunkId>>>& refs);

struct PathEntry {
  std::string path;
  Entry entry;
};

// The entries of a segment, in path order. `domains` is the root's table.
// kDataLoss for anything unsorted, out of range, oversized or lying about its chunks.
absl::StatusOr<std::vector<PathEntry>> DecodeSegment(ByteView content,
                                                     const std::vector<DomainId>& domains);

}  // namespace mooring::storage
