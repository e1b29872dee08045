#include "tests/sim/memory_catalog/memory_catalog.h"

#include "storage/base/check.h"
#include "tests/sim/memory_catalog/memory_transaction.h"

namespace mooring::testing {
namespace {

// As PgCatalog's.
constexpr int kAttemptsMax = 5;
constexpr absl::Duration kBackoffFirst = absl::Milliseconds(5);

}  // namespace

MemoryCatalog::MemoryCatalog(Clock& clock, Turns& turns) {
  ground_.clock = &clock;
  ground_.turns = &turns;
  tables_.collection_state.Seed(Tables::kOne, {});
  tables_.prune_state.Seed(Tables::kOne, {});
  tables_.care_state.Seed(Tables::kOne, {});
}

absl::Status MemoryCatalog::Run(const OpContext& ctx,
                                absl::FunctionRef<absl::Status(storage::Transaction&)> body) {
  return RunWith(*ground_.turns, ctx, body);
}

absl::Status MemoryCatalog::RunWith(Turns& turns, const OpContext& ctx,
                                    absl::FunctionRef<absl::Status(storage::Transaction&)> body) {
  absl::Duration backoff = kBackoffFirst;
  for (int attempt = 1;; ++attempt) {
    const Attempt outcome = RunOnce(turns, ctx, body);
    if (outcome.status.ok() || !outcome.again || attempt == kAttemptsMax) return outcome.status;
    if (!ground_.clock->Sleep(backoff, ctx.stop)) {
      return absl::CancelledError("database: stopped");
    }
    backoff *= 2;
  }
}

MemoryCatalog::Attempt MemoryCatalog::RunOnce(
    Turns& turns, const OpContext& ctx,
    absl::FunctionRef<absl::Status(storage::Transaction&)> body) {
  if (ground_.clock->Now() >= ctx.deadline) {
    return {absl::DeadlineExceededError("database: no time left"), false};
  }
  if (absl::Status begun = turns.BeforeTransaction(); !begun.ok()) return {begun, false};
  MemoryTx tx(ground_, turns, ctx);
  MemoryTransaction transaction(tx, tables_, makers_);
  const absl::Status done = body(transaction);
  if (!tx.failure().ok()) {
    tx.End(false);
    return {done.ok() ? tx.failure() : done, absl::IsAborted(tx.failure())};
  }
  if (!done.ok()) {
    tx.End(false);
    return {done, absl::IsAborted(done)};
  }
  const CommitFault fault = turns.BeforeCommit();
  tx.End(fault == CommitFault::kNone || fault == CommitFault::kInDoubtDone);
  switch (fault) {
    case CommitFault::kNone:
    case CommitFault::kPretended:
      break;
    case CommitFault::kConflict:
      return {absl::AbortedError("database: could not serialize (SQLSTATE 40001)"), true};
    case CommitFault::kInDoubtDone:
    case CommitFault::kInDoubtNotDone:
      return {storage::InDoubtError("commit: the connection was lost"), false};
    case CommitFault::kGone:
      return {absl::UnavailableError("database: the connection was lost"), false};
  }
  return {absl::OkStatus(), false};
}

MemoryCatalog::Saved MemoryCatalog::Save() {
  const MutexLock lock(ground_.mutex);
  Saved saved;
  for (const AnyTable* const table : tables_.all()) saved.tables_.push_back(table->Save());
  for (const Identity* const identity : tables_.identities()) {
    saved.identities_.push_back(identity->last());
  }
  return saved;
}

void MemoryCatalog::Restore(const Saved& saved) {
  const MutexLock lock(ground_.mutex);
  MOORING_CHECK(ground_.open == 0);
  const std::vector<AnyTable*> tables = tables_.all();
  MOORING_CHECK(saved.tables_.size() == tables.size());
  for (std::size_t i = 0; i < tables.size(); ++i) tables[i]->Restore(saved.tables_[i]);
  const std::vector<Identity*> identities = tables_.identities();
  for (std::size_t i = 0; i < identities.size(); ++i) {
    identities[i]->set_last(saved.identities_[i]);
  }
}

bool MemoryCatalog::HasOpenTransactions() {
  const MutexLock lock(ground_.mutex);
  return ground_.open > 0;
}

}  // namespace mooring::testing
