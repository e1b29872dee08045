#include "tests/sim/memory_catalog/memory_key_store.h"

namespace mooring::testing {

std::unique_ptr<storage::KeyStore> MakeMemoryKeyStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryKeyStore>(tx, t);
}

}  // namespace mooring::testing
