#include "tests/sim/memory_catalog/memory_pack_store.h"

namespace mooring::testing {

std::unique_ptr<storage::PackStore> MakeMemoryPackStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryPackStore>(tx, t);
}

}  // namespace mooring::testing
