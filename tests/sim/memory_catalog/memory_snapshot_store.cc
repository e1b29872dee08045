#include "tests/sim/memory_catalog/memory_snapshot_store.h"

namespace mooring::testing {

std::unique_ptr<storage::SnapshotStore> MakeMemorySnapshotStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemorySnapshotStore>(tx, t);
}

}  // namespace mooring::testing
