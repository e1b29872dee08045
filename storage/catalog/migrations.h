// Migrations: the schema, as numbered SQL steps that are part of the binary.
// A step that has been released is never edited: another follows it.

#pragma once

#include <span>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/catalog/sql.h"

namespace mooring::storage {

struct Migration {
  int version = 0;
  std::string_view name;
  std::string_view sha256;  // Of `sql`, lower-case hexadecimal.
  std::string_view sql;
};

// In order, numbered from 1; generated from migrations/*.sql by the build.
std::span<const Migration> EmbeddedMigrations();

// Brings the database up to this binary: each missing step in a transaction of
// its own with its row in schema_migration, one migrator at a time. Returns how
// many steps it applied.
//
// kFailedPrecondition: the database is newer than the binary, or was made by
// other steps than the binary's. kDeadlineExceeded: another migrator holds the lock.
absl::StatusOr<int> MigrateCatalog(const OpContext& ctx, const std::string& url, Clock& clock,
                                   std::span<const Migration> migrations = EmbeddedMigrations());

// OK if the database stands exactly at these migrations.
absl::Status CheckSchema(SqlSession& sql,
                         std::span<const Migration> migrations = EmbeddedMigrations());

}  // namespace mooring::storage
