// FaultyCatalog: a catalog whose chosen transaction fails, before, during or
// after its commit. Transactions are counted from 1.

#pragma once

#include <cstdint>

#include "storage/base/mutex.h"
#include "storage/catalog/catalog.h"

namespace mooring::testing {

enum class CatalogFault {
  kUnavailable,     // Nothing is done.
  kInDoubtDone,     // Committed; the answer is lost.
  kInDoubtNotDone,  // Rolled back at the commit; the answer is lost.
  kGoneAfterBody,   // The connection breaks before the commit: kUnavailable, nothing is done.
};

// Thread-safe.
class FaultyCatalog final : public storage::Catalog {
 public:
  // `inner` outlives this.
  explicit FaultyCatalog(storage::Catalog& inner) : inner_(inner) {}

  // The `n`-th transaction from now on.
  void FailCall(std::uint64_t n, CatalogFault fault);
  // Every transaction from the `n`-th on: the database is gone, or we are.
  void FailFrom(std::uint64_t n);
  void Heal();
  std::uint64_t calls() const;

  absl::Status Run(const OpContext& ctx,
                   absl::FunctionRef<absl::Status(storage::Transaction&)> body) override;

 private:
  storage::Catalog& inner_;
  mutable Mutex mutex_;
  std::uint64_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t fail_at_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stays_failed_ ABSL_GUARDED_BY(mutex_) = false;
  CatalogFault fault_ ABSL_GUARDED_BY(mutex_) = CatalogFault::kUnavailable;
};

}  // namespace mooring::testing
