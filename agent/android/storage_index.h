// StorageIndex: of each stored file what the manifest does not say: its inode on
// the phone, a hint for renames, and the SHA-256 of its content, against which
// the phone's own sha256sum finds edits that left size and time as they were.
//
// It lies in the snapshot as small sealed files of its own, records/index/N-I:
// I of N shards by the hash of the path. They are part of the base, so that the
// next session reads them, and only those that changed are written again.
//
// Format of a shard: "MSI1", then per file in the order of the key: key (u64),
// inode (u64), SHA-256 (32 bytes). Little-endian. The key is the first eight
// bytes of SHA-256 over the path.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/pipeline/snapshot_builder.h"
#include "storage/base/op_context.h"
#include "storage/seal/digest.h"

namespace mooring::agent {

inline constexpr std::string_view kIndexRoot = "records/index";

struct FileMark {
  std::uint64_t inode = 0;
  storage::Sha256Digest sha256{};
};

// Thread-bound. `builder` outlives it.
class StorageIndex {
 public:
  // Looks which shards the base has; reads none.
  explicit StorageIndex(SnapshotBuilder& builder);

  // The mark of a path in the snapshot. A shard that cannot be read counts as
  // empty: marks are hints.
  std::optional<FileMark> Find(const OpContext& ctx, std::string_view path);
  void Put(const OpContext& ctx, std::string_view path, const FileMark& mark);
  void Remove(const OpContext& ctx, std::string_view path);

  // Whether `path` belongs to part `part` of `parts` of all paths. Paths of one
  // shard are of one part, or of few.
  static bool IsInPart(std::string_view path, std::uint32_t part, std::uint32_t parts);

  // Writes the shards that changed; all of them where the number of files asks
  // for another number of shards; 0: it is not known.
  absl::Status Store(const OpContext& ctx, std::uint64_t files);
  // Paths of all shards, for BackupOutcome::base_paths.
  std::vector<std::string> Paths() const;

 private:
  using Shard = absl::btree_map<std::uint64_t, FileMark>;
  struct Slot {
    std::optional<Shard> marks;  // Once read.
    bool changed = false;
  };

  static std::uint64_t KeyOf(std::string_view path);
  std::string PathOf(std::size_t shard) const;
  Shard& Load(const OpContext& ctx, std::size_t shard);
  Shard& ShardOf(const OpContext& ctx, std::uint64_t key, bool changes);
  absl::Status Reshard(const OpContext& ctx, std::size_t count);

  SnapshotBuilder& builder_;
  std::vector<Slot> shards_;  // A power of two.
};

}  // namespace mooring::agent
