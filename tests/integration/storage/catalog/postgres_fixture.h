// PostgresTest: a database of its own, migrated, for every test.
//
// One private PostgreSQL runs per test process, in a temporary directory, from
// the first test that asks for it. It ends with the process, however that ends.

#pragma once

#include <memory>
#include <string>

#include <absl/status/statusor.h>
#include <gtest/gtest.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/catalog/pg_catalog.h"

namespace mooring::testing {

// A migrated database in the process's PostgreSQL; dropped with this.
class TestDatabase {
 public:
  static absl::StatusOr<std::unique_ptr<TestDatabase>> Make();
  // A database without any schema.
  static absl::StatusOr<std::unique_ptr<TestDatabase>> MakeEmpty();
  ~TestDatabase();

  const std::string& url() const { return url_; }
  const std::string& name() const { return name_; }

 private:
  TestDatabase(std::string name, std::string url) : name_(std::move(name)), url_(std::move(url)) {}
  static absl::StatusOr<std::unique_ptr<TestDatabase>> Create(const std::string& database_template);

  const std::string name_;
  const std::string url_;
};

class PostgresTest : public ::testing::Test {
 protected:
  void SetUp() override;

  // Two minutes from now.
  OpContext ctx();
  Clock& clock() { return clock_; }
  Random& random() { return random_; }
  const std::string& url() const { return database_->url(); }
  storage::PgCatalog& catalog() { return *catalog_; }
  // Closes the catalog, for a test that opens its own.
  void CloseCatalog() { catalog_.reset(); }

 private:
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<storage::PgCatalog> catalog_;
};

}  // namespace mooring::testing
