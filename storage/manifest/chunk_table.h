// ChunkTable: the chunk references of an overlay, each kept once however many
// files point to it.

#pragma once

#include <cstdint>
#include <vector>

#include <absl/container/flat_hash_set.h>
#include <absl/status/statusor.h>

#include "storage/manifest/manifest.h"
#include "storage/manifest/slab.h"

namespace mooring::storage {

// Thread-compatible; does not move, because its index refers to it.
class ChunkTable {
 public:
  ChunkTable();
  ChunkTable(const ChunkTable&) = delete;
  ChunkTable& operator=(const ChunkTable&) = delete;

  // A number for `chunk`, with one more use. kResourceExhausted: more than
  // kDomainsMax domains.
  absl::StatusOr<std::uint32_t> Add(const ChunkRef& chunk);
  void AddUse(std::uint32_t index) { ++slots_[index].uses; }
  // Forgets the chunk with its last use.
  void RemoveUse(std::uint32_t index);

  ChunkRef Get(std::uint32_t index) const;

 private:
  struct Slot {
    ChunkId id;
    ChunkKey key;
    std::uint32_t raw_bytes_and_domain = 0;  // 25 bits and 7.
    std::uint32_t uses = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::uint32_t index) const { return Of(table->slots_[index].id); }
    std::size_t operator()(const Slot& slot) const { return Of(slot.id); }
    // Ids are hashes already.
    static std::size_t Of(const ChunkId& id) { return LoadLe64(id.view(), 0); }
    const ChunkTable* table;
  };
  struct Equal {
    using is_transparent = void;
    static bool Same(const Slot& a, const Slot& b) {
      return a.id == b.id && a.key == b.key && a.raw_bytes_and_domain == b.raw_bytes_and_domain;
    }
    bool operator()(std::uint32_t a, std::uint32_t b) const { return a == b; }
    bool operator()(std::uint32_t a, const Slot& b) const { return Same(table->slots_[a], b); }
    bool operator()(const Slot& a, std::uint32_t b) const { return Same(a, table->slots_[b]); }
    const ChunkTable* table;
  };

  absl::StatusOr<std::uint32_t> DomainIndex(const DomainId& domain);

  std::vector<DomainId> domains_;
  Slab<Slot> slots_;
  absl::flat_hash_set<std::uint32_t, Hash, Equal> by_id_;
};

}  // namespace mooring::storage
