// MemoryCatalog passes the contract of every catalog.

#include "tests/contract/storage/catalog/access_contract.h"
#include "tests/contract/storage/catalog/care_contract.h"
#include "tests/contract/storage/catalog/collection_contract.h"
#include "tests/contract/storage/catalog/collection_walk_contract.h"
#include "tests/contract/storage/catalog/fleet_contract.h"
#include "tests/contract/storage/catalog/repository_contract.h"
#include "tests/contract/storage/catalog/retention_contract.h"
#include "tests/contract/storage/catalog/transaction_contract.h"
#include "tests/sim/memory_catalog/memory_catalog.h"

namespace mooring::storage {
namespace {

class MemoryUnderTest final : public CatalogUnderTest {
 public:
  static absl::StatusOr<std::unique_ptr<CatalogUnderTest>> Make() {
    return absl::StatusOr<std::unique_ptr<CatalogUnderTest>>(std::make_unique<MemoryUnderTest>());
  }
  Catalog& catalog() override { return catalog_; }

 private:
  SystemClock clock_;
  testing::ThreadTurns turns_;
  testing::MemoryCatalog catalog_{clock_, turns_};
};

const CatalogMaker kMemory{"Memory", MemoryUnderTest::Make};

INSTANTIATE_TEST_SUITE_P(Catalog, TransactionContract, ::testing::Values(kMemory), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, FleetContract, ::testing::Values(kMemory), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, AccessContract, ::testing::Values(kMemory), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, RepositoryContract, ::testing::Values(kMemory), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, CareContract, ::testing::Values(kMemory), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, CollectionContract, ::testing::Values(kMemory), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, CollectionWalkContract, ::testing::Values(kMemory), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, RetentionContract, ::testing::Values(kMemory), MakerName);

}  // namespace
}  // namespace mooring::storage
