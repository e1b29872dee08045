// PgCatalog passes the contract of every catalog.

#include "tests/contract/storage/catalog/access_contract.h"
#include "tests/contract/storage/catalog/care_contract.h"
#include "tests/contract/storage/catalog/collection_contract.h"
#include "tests/contract/storage/catalog/collection_walk_contract.h"
#include "tests/contract/storage/catalog/fleet_contract.h"
#include "tests/contract/storage/catalog/repository_contract.h"
#include "tests/contract/storage/catalog/retention_contract.h"
#include "tests/contract/storage/catalog/transaction_contract.h"
#include "tests/integration/storage/catalog/postgres_fixture.h"

namespace mooring::storage {
namespace {

class PgUnderTest final : public CatalogUnderTest {
 public:
  static absl::StatusOr<std::unique_ptr<CatalogUnderTest>> Make() {
    auto made = std::make_unique<PgUnderTest>();
    MOORING_ASSIGN_OR_RETURN(made->database_, testing::TestDatabase::Make());
    PgCatalogOptions options;
    options.url = made->database_->url();
    MOORING_ASSIGN_OR_RETURN(made->catalog_,
                             PgCatalog::Open({}, options, made->clock_, made->random_));
    return absl::StatusOr<std::unique_ptr<CatalogUnderTest>>(std::move(made));
  }
  Catalog& catalog() override { return *catalog_; }

 private:
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<testing::TestDatabase> database_;
  std::unique_ptr<PgCatalog> catalog_;
};

const CatalogMaker kPg{"Pg", PgUnderTest::Make};

INSTANTIATE_TEST_SUITE_P(Catalog, TransactionContract, ::testing::Values(kPg), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, FleetContract, ::testing::Values(kPg), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, AccessContract, ::testing::Values(kPg), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, RepositoryContract, ::testing::Values(kPg), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, CareContract, ::testing::Values(kPg), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, CollectionContract, ::testing::Values(kPg), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, CollectionWalkContract, ::testing::Values(kPg), MakerName);
INSTANTIATE_TEST_SUITE_P(Catalog, RetentionContract, ::testing::Values(kPg), MakerName);

}  // namespace
}  // namespace mooring::storage
