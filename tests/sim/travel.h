// Travel: the catalog goes back in time under running servers, as when a standby
// that lagged takes over. Snapshots that it forgets are not lost as long as their
// objects are: a rebuild finds them. So nothing that they need may be removed
// from then on, whatever the servers make of the old catalog.

#pragma once

#include <string>
#include <vector>

#include "storage/base/ids.h"
#include "tests/sim/ground.h"

namespace mooring::testing {

class Travel {
 public:
  explicit Travel(Ground& ground) : ground_(ground) {}

  // Remembers the catalog as it is now.
  void Save() { saved_ = ground_.catalog.Save(); }
  bool has_saved() const { return saved_.has_value(); }
  // Goes back there, once no transaction is open. From here on the world was
  // told more than the catalog knows, and the oracle is silent but for Check.
  void Go();

  // Every acknowledged snapshot that nobody asked to delete can still be rebuilt.
  void Check();

 private:
  struct NeededChunk {
    DomainId domain;
    ChunkId id;
    PackId pack;
    std::uint64_t offset = 0;
    std::uint32_t bytes = 0;
  };
  struct Needed {
    SnapshotId snapshot;
    std::vector<NeededChunk> chunks;
  };

  void Remember(const SnapshotId& id, const SnapshotRow& row);
  bool IsThere(const NeededChunk& chunk, const PackId& pack, std::uint64_t offset);
  bool IsAnywhere(const NeededChunk& chunk);

  Ground& ground_;
  std::optional<MemoryCatalog::Saved> saved_;
  std::vector<Needed> needed_;
};

}  // namespace mooring::testing
