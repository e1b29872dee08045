// DatabaseClock: the time by PostgreSQL, to which the collector compares the
// server's before it lets time count.

#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/op_context.h"
#include "storage/base/status.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/collection_store.h"

namespace mooring::storage {

// Thread-safe.
class DatabaseClock {
 public:
  virtual ~DatabaseClock() = default;
  virtual absl::StatusOr<absl::Time> Now(const OpContext& ctx) = 0;
};

class CatalogClock final : public DatabaseClock {
 public:
  // `catalog` outlives this.
  explicit CatalogClock(Catalog& catalog) : catalog_(catalog) {}

  absl::StatusOr<absl::Time> Now(const OpContext& ctx) override {
    absl::Time now;
    MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(now, tx.collection().DatabaseNow());
      return absl::OkStatus();
    }));
    return now;
  }

 private:
  Catalog& catalog_;
};

}  // namespace mooring::storage
