#include "storage/catalog/migrations.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::storage {
namespace {

// Fits the longest step on a large catalog.
constexpr absl::Duration kStepMax = absl::Hours(12);

// "MOOR" and 1: held by one migrator for as long as its connection lives.
constexpr char kLock[] = "SELECT pg_advisory_lock(1297043282, 1)";

struct Applied {
  int version = 0;
  std::string name;
  std::string sha256;
};

absl::StatusOr<bool> HasTable(SqlSession& sql) {
  MOORING_ASSIGN_OR_RETURN(const SqlResult result,
                           sql.Exec("SELECT to_regclass('public.schema_migration') IS NOT NULL"));
  return SqlReader(result, 0).Bool();
}

absl::StatusOr<std::vector<Applied>> ReadApplied(SqlSession& sql) {
  MOORING_ASSIGN_OR_RETURN(
      const SqlResult result,
      sql.Exec("SELECT version, name, sha256 FROM schema_migration ORDER BY version"));
  std::vector<Applied> applied;
  for (int i = 0; i < result.size(); ++i) {
    SqlReader row(result, i);
    Applied& step = applied.emplace_back();
    step.version = static_cast<int>(row.Int64());
    step.name = row.Text();
    step.sha256 = row.Text();
    MOORING_RETURN_IF_ERROR(row.status());
  }
  return applied;
}

// The applied steps must be the first ones of the binary's.
absl::Status CheckApplied(const std::vector<Applied>& applied,
                          std::span<const Migration> migrations) {
  if (applied.size() > migrations.size()) {
    return absl::FailedPreconditionError(fmt::format(
        "database schema is at version {}, newer than this binary's {}: start a newer mooringd",
        applied.back().version, migrations.size()));
  }
  for (std::size_t i = 0; i < applied.size(); ++i) {
    const Migration& ours = migrations[i];
    if (applied[i].version != ours.version || applied[i].sha256 != ours.sha256) {
      return absl::FailedPreconditionError(fmt::format(
          "database schema step {} ({}) is not the one of this binary: it was made by another"
          " build of mooringd; run that one, or restore the database that belongs to this one",
          applied[i].version, applied[i].name));
    }
  }
  return absl::OkStatus();
}

absl::Status ApplyStep(SqlSession& sql, const Migration& step, absl::Time at) {
  MOORING_RETURN_IF_ERROR(sql.Begin(kStepMax));
  absl::Status status = sql.ExecScript(step.sql);
  if (status.ok()) {
    status = sql.Exec(
                    "INSERT INTO schema_migration (version, name, sha256, applied_at)"
                    " VALUES ($1, $2, $3, $4)",
                    step.version, step.name, step.sha256, at)
                 .status();
  }
  if (status.ok()) return sql.Commit();
  sql.Rollback();
  return Annotate(status, fmt::format("schema step {} ({})", step.version, step.name));
}

}  // namespace

absl::StatusOr<int> MigrateCatalog(const OpContext& ctx, const std::string& url, Clock& clock,
                                   std::span<const Migration> migrations) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<SqlSession> sql, SqlSession::Connect(url));
  sql->SetStop(ctx.stop);
  const absl::Duration wait =
      std::clamp<absl::Duration>(ctx.deadline - clock.Now(), absl::Milliseconds(1), kStepMax);
  MOORING_RETURN_IF_ERROR(sql->Exec("SELECT set_config('statement_timeout', $1, false)",
                                    std::to_string(absl::ToInt64Milliseconds(wait)))
                              .status());
  const absl::Status locked = sql->Exec(kLock).status();
  if (!locked.ok()) return Annotate(locked, "wait for the migration lock");

  MOORING_RETURN_IF_ERROR(sql->Exec("CREATE TABLE IF NOT EXISTS schema_migration ("
                                    " version int PRIMARY KEY, name text NOT NULL,"
                                    " sha256 text NOT NULL, applied_at timestamptz NOT NULL)")
                              .status());
  MOORING_ASSIGN_OR_RETURN(const std::vector<Applied> applied, ReadApplied(*sql));
  MOORING_RETURN_IF_ERROR(CheckApplied(applied, migrations));
  int count = 0;
  for (const Migration& step : migrations.subspan(applied.size())) {
    MOORING_RETURN_IF_ERROR(ApplyStep(*sql, step, clock.Now()));
    ++count;
  }
  // The lock goes with the connection.
  return count;
}

absl::Status CheckSchema(SqlSession& sql, std::span<const Migration> migrations) {
  MOORING_ASSIGN_OR_RETURN(const bool has_table, HasTable(sql));
  std::vector<Applied> applied;
  if (has_table) {
    MOORING_ASSIGN_OR_RETURN(applied, ReadApplied(sql));
  }
  MOORING_RETURN_IF_ERROR(CheckApplied(applied, migrations));
  if (applied.size() < migrations.size()) {
    return absl::FailedPreconditionError(
        fmt::format("database schema is at version {}, this binary needs {}: migrate it first",
                    applied.size(), migrations.size()));
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
