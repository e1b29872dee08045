#include "storage/catalog/migrations.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "tests/integration/storage/catalog/postgres_fixture.h"

namespace mooring::storage {
namespace {

constexpr Migration kFirst{1, "first", "aa", "CREATE TABLE first (n int)"};
constexpr Migration kSecond{2, "second", "bb",
                            "CREATE TABLE second (n int); INSERT INTO first VALUES (1)"};
constexpr Migration kBroken{2, "second", "cc",
                            "INSERT INTO first VALUES (2); CREATE TABLE oops (n nonsense)"};

class MigrationsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto database = testing::TestDatabase::MakeEmpty();
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }

  absl::StatusOr<int> Migrate(const std::vector<Migration>& migrations) {
    return MigrateCatalog(OpContext{clock_.Now() + absl::Minutes(1), {}}, database_->url(), clock_,
                          migrations);
  }
  absl::Status Check(const std::vector<Migration>& migrations) {
    auto sql = SqlSession::Connect(database_->url());
    if (!sql.ok()) return sql.status();
    return CheckSchema(**sql, migrations);
  }
  std::int64_t Number(const std::string& statement) {
    auto sql = SqlSession::Connect(database_->url());
    if (!sql.ok()) return -1;
    const auto result = (*sql)->Exec(statement);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? SqlReader(*result, 0).Int64() : -1;
  }

  SystemClock clock_;
  std::unique_ptr<testing::TestDatabase> database_;
};

TEST_F(MigrationsTest, StepsApplyInOrderAndOnce) {
  EXPECT_EQ(*Migrate({kFirst}), 1);
  EXPECT_EQ(*Migrate({kFirst, kSecond}), 1);
  EXPECT_EQ(*Migrate({kFirst, kSecond}), 0);
  EXPECT_EQ(Number("SELECT count(*) FROM first"), 1);
  EXPECT_EQ(Number("SELECT count(*) FROM schema_migration WHERE sha256 IN ('aa', 'bb')"), 2);
}

TEST_F(MigrationsTest, OurOwnStepsApply) {
  auto applied = MigrateCatalog({}, database_->url(), clock_);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(*applied, static_cast<int>(EmbeddedMigrations().size()));
}

TEST_F(MigrationsTest, OurOwnStepsCarryTheirHashes) {
  int version = 0;
  for (const Migration& step : EmbeddedMigrations()) {
    EXPECT_EQ(step.version, ++version);
    EXPECT_EQ(step.sha256.size(), 64u);
    EXPECT_FALSE(step.name.empty());
  }
}

TEST_F(MigrationsTest, AStepThatFailsLeavesNothingBehind) {
  ASSERT_TRUE(Migrate({kFirst}).ok());
  const absl::Status status = Migrate({kFirst, kBroken}).status();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("schema step 2 (second)"), absl::string_view::npos) << status;
  EXPECT_EQ(Number("SELECT count(*) FROM first"), 0);
  EXPECT_EQ(*Migrate({kFirst, kSecond}), 1);
}

TEST_F(MigrationsTest, ANewerDatabaseIsRefused) {
  ASSERT_TRUE(Migrate({kFirst, kSecond}).ok());
  const absl::Status status = Migrate({kFirst}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("newer"), absl::string_view::npos) << status;
  EXPECT_EQ(Check({kFirst}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(MigrationsTest, AStepOfAnotherBuildIsRefused) {
  ASSERT_TRUE(Migrate({kFirst}).ok());
  Migration edited = kFirst;
  edited.sha256 = "ee";
  const absl::Status status = Migrate({edited, kSecond}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("another build"), absl::string_view::npos) << status;
}

TEST_F(MigrationsTest, AnUnmigratedDatabaseIsNotOpened) {
  EXPECT_EQ(Check({kFirst}).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(Migrate({kFirst}).ok());
  EXPECT_TRUE(Check({kFirst}).ok());
  SystemRandom random;
  PgCatalogOptions options;
  options.url = database_->url();
  EXPECT_EQ(PgCatalog::Open({}, options, clock_, random).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(MigrationsTest, OfSeveralMigratorsAtOnceEachStepRunsInOne) {
  std::vector<absl::StatusOr<int>> results(4, absl::UnknownError("did not run"));
  {
    std::vector<std::jthread> migrators;
    for (auto& result : results) {
      migrators.emplace_back([&] { result = Migrate({kFirst, kSecond}); });
    }
  }
  int steps = 0;
  for (const auto& result : results) {
    ASSERT_TRUE(result.ok()) << result.status();
    steps += *result;
  }
  EXPECT_EQ(steps, 2);
  EXPECT_EQ(Number("SELECT count(*) FROM first"), 1);
}

TEST_F(MigrationsTest, AMigratorThatWaitsTooLongSaysSo) {
  auto holder = SqlSession::Connect(database_->url());
  ASSERT_TRUE(holder.ok());
  ASSERT_TRUE((*holder)->Exec("SELECT pg_advisory_lock(1297043282, 1)").ok());
  const absl::Status status =
      MigrateCatalog(OpContext{clock_.Now() + absl::Milliseconds(200), {}}, database_->url(),
                     clock_, std::vector<Migration>{kFirst})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

}  // namespace
}  // namespace mooring::storage
