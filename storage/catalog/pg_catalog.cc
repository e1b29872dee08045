#include "storage/catalog/pg_catalog.h"

#include <algorithm>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/catalog/migrations.h"
#include "storage/catalog/pg_transaction.h"

namespace mooring::storage {
namespace {

// Conflicts of two transactions, and one dead pooled connection, pass with a
// second or third try; more would hide trouble.
constexpr int kAttemptsMax = 5;
constexpr absl::Duration kBackoffFirst = absl::Milliseconds(5);

// Settings without which an acknowledged snapshot could be lost in a crash.
absl::StatusOr<std::vector<std::string>> UnsafeSettings(SqlSession& sql) {
  MOORING_ASSIGN_OR_RETURN(
      const SqlResult result,
      sql.Exec("SELECT name FROM pg_settings WHERE setting = 'off'"
               " AND name IN ('fsync', 'full_page_writes', 'data_checksums') ORDER BY name"));
  std::vector<std::string> names;
  for (int i = 0; i < result.size(); ++i) names.push_back(SqlReader(result, i).Text());
  return names;
}

std::string UnsafeSettingText(const std::string& name) {
  if (name == "data_checksums") {
    return "data_checksums is off: damage on disk would go unnoticed; stop PostgreSQL and run"
           " pg_checksums --enable";
  }
  return fmt::format("{} is off: a power cut can lose acknowledged snapshots; turn it on", name);
}

}  // namespace

PgCatalog::PgCatalog(const PgCatalogOptions& options, Clock& clock, Random& random)
    : options_(options),
      clock_(clock),
      random_(random),
      pool_(options.url, options.connections_max, options.wait_max, clock) {}

absl::StatusOr<std::unique_ptr<PgCatalog>> PgCatalog::Open(const OpContext& ctx,
                                                           const PgCatalogOptions& options,
                                                           Clock& clock, Random& random) {
  std::unique_ptr<PgCatalog> catalog(new PgCatalog(options, clock, random));
  MOORING_ASSIGN_OR_RETURN(PgPool::Lease lease, catalog->pool_.Acquire(ctx));
  MOORING_RETURN_IF_ERROR(CheckSchema(lease.session()));
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> unsafe, UnsafeSettings(lease.session()));
  for (const std::string& name : unsafe) catalog->warnings_.push_back(UnsafeSettingText(name));
  if (options.refuse_unsafe && !catalog->warnings_.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("database refused: {}", fmt::join(catalog->warnings_, "; ")));
  }
  return catalog;
}

absl::Status PgCatalog::Run(const OpContext& ctx,
                            absl::FunctionRef<absl::Status(Transaction&)> body) {
  absl::Duration backoff = kBackoffFirst;
  for (int attempt = 1;; ++attempt) {
    const Attempt outcome = RunOnce(ctx, body);
    if (outcome.status.ok() || !outcome.again || attempt == kAttemptsMax) return outcome.status;
    // Jitter, so that two that collided do not meet again.
    const auto jitter = static_cast<std::int64_t>(
        random_.Below(static_cast<std::uint64_t>(absl::ToInt64Microseconds(backoff)) + 1));
    if (!clock_.Sleep(backoff + absl::Microseconds(jitter), ctx.stop)) {
      return absl::CancelledError("database: stopped");
    }
    backoff *= 2;
  }
}

PgCatalog::Attempt PgCatalog::RunOnce(const OpContext& ctx,
                                      absl::FunctionRef<absl::Status(Transaction&)> body) {
  absl::StatusOr<PgPool::Lease> lease = pool_.Acquire(ctx);
  if (!lease.ok()) return {lease.status(), false};
  SqlSession& sql = lease->session();
  sql.SetStop(ctx.stop);
  const absl::Cleanup forget_stop = [&sql] { sql.SetStop({}); };

  const absl::Duration left = ctx.deadline - clock_.Now();
  if (left <= absl::ZeroDuration()) {
    return {absl::DeadlineExceededError("database: no time left"), false};
  }
  const absl::Status begun = sql.Begin(std::min(left, options_.statement_max));
  // A pooled connection that died since it was last used: the next one is new.
  if (!begun.ok()) return {begun, sql.broken()};

  // Nothing of ours throws but an allocation that fails. A connection that went back to the
  // pool with its transaction would hold its locks.
  const absl::Cleanup rolled_back = [&sql] { sql.Rollback(); };
  PgTransaction transaction(sql);
  const absl::Status done = body(transaction);
  if (!sql.failure().ok()) {
    // Whatever `body` made of it, nothing can be committed any more.
    sql.Rollback();
    const absl::StatusCode code = sql.failure().code();
    const bool again = code == absl::StatusCode::kAborted ||
                       (code == absl::StatusCode::kUnavailable && sql.broken());
    return {done.ok() ? sql.failure() : done, again};
  }
  if (!done.ok()) {
    sql.Rollback();
    return {done, done.code() == absl::StatusCode::kAborted};
  }
  const absl::Status committed = sql.Commit();
  return {committed, committed.code() == absl::StatusCode::kAborted};
}

}  // namespace mooring::storage
