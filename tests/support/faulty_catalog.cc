#include "tests/support/faulty_catalog.h"

#include <optional>

#include "storage/base/status.h"

namespace mooring::testing {

void FaultyCatalog::FailCall(std::uint64_t n, CatalogFault fault) {
  MutexLock lock(mutex_);
  fail_at_ = calls_ + n;
  fault_ = fault;
  stays_failed_ = false;
}

void FaultyCatalog::FailFrom(std::uint64_t n) {
  MutexLock lock(mutex_);
  fail_at_ = calls_ + n;
  fault_ = CatalogFault::kUnavailable;
  stays_failed_ = true;
}

void FaultyCatalog::Heal() {
  MutexLock lock(mutex_);
  fail_at_ = 0;
}

std::uint64_t FaultyCatalog::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

absl::Status FaultyCatalog::Run(const OpContext& ctx,
                                absl::FunctionRef<absl::Status(storage::Transaction&)> body) {
  std::optional<CatalogFault> fault;
  {
    MutexLock lock(mutex_);
    ++calls_;
    const bool strikes = fail_at_ != 0 && (stays_failed_ ? calls_ >= fail_at_ : calls_ == fail_at_);
    if (strikes) fault = fault_;
  }
  if (!fault) return inner_.Run(ctx, body);
  if (*fault == CatalogFault::kUnavailable) return absl::UnavailableError("injected: no database");
  if (*fault == CatalogFault::kInDoubtDone) {
    MOORING_RETURN_IF_ERROR(inner_.Run(ctx, body));
    return absl::UnknownError("injected: the outcome of the commit is in doubt");
  }
  // The body runs and is then rolled back.
  const absl::Status undone = inner_.Run(ctx, [&body](storage::Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(body(tx));
    return absl::CancelledError("injected: rolled back");
  });
  if (!absl::IsCancelled(undone)) return undone;
  return *fault == CatalogFault::kInDoubtNotDone
             ? absl::UnknownError("injected: the outcome of the commit is in doubt")
             : absl::UnavailableError("injected: the connection broke before the commit");
}

}  // namespace mooring::testing
