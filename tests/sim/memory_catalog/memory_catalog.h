// MemoryCatalog: a complete catalog in memory, for tests and simulation. It
// passes the contract of every catalog (tests/contract/storage/catalog).
//
// Statements are atomic and transactions interleave between them, as under
// PostgreSQL's READ COMMITTED: row locks, unique keys that wait for each other,
// deadlocks found, the repository's advisory lock.

#pragma once

#include <memory>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"
#include "tests/sim/memory_catalog/memory_stores.h"
#include "tests/sim/memory_catalog/memory_tx.h"
#include "tests/sim/memory_catalog/tables.h"
#include "tests/sim/memory_catalog/turns.h"

namespace mooring::testing {

// Thread-safe.
class MemoryCatalog final : public storage::Catalog {
 public:
  // Everything committed at one moment.
  class Saved {
   private:
    friend class MemoryCatalog;
    std::vector<std::shared_ptr<const void>> tables_;
    std::vector<std::int64_t> identities_;
  };

  // Both outlive the catalog.
  MemoryCatalog(Clock& clock, Turns& turns);

  absl::Status Run(const OpContext& ctx,
                   absl::FunctionRef<absl::Status(storage::Transaction&)> body) override;
  // As Run, with other turns: those of one server that shares this catalog.
  absl::Status RunWith(Turns& turns, const OpContext& ctx,
                       absl::FunctionRef<absl::Status(storage::Transaction&)> body);

  Saved Save();
  // The catalog travels back in time. No transaction may be open.
  void Restore(const Saved& saved);
  bool HasOpenTransactions();

  // Before the first Run.
  void set_makers(const StoreMakers& makers) { makers_ = makers; }

  // For checkers, while no statement runs: single-threaded tests alone.
  const Tables& tables() const { return tables_; }

 private:
  struct Attempt {
    absl::Status status;
    bool again = false;
  };
  Attempt RunOnce(Turns& turns, const OpContext& ctx,
                  absl::FunctionRef<absl::Status(storage::Transaction&)> body);

  TxGround ground_;
  Tables tables_;
  StoreMakers makers_;
};

}  // namespace mooring::testing
