#include "tests/integration/storage/catalog/postgres_fixture.h"

namespace mooring::testing {
namespace {

TEST_F(PostgresTest, OpensAMigratedDatabase) {
  EXPECT_TRUE(catalog().warnings().empty());
}

}  // namespace
}  // namespace mooring::testing
