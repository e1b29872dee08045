// PgCatalog: the catalog in PostgreSQL.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/pg_pool.h"

namespace mooring::storage {

struct PgCatalogOptions {
  std::string url;  // libpq URL or keyword string.
  std::size_t connections_max = 16;
  absl::Duration wait_max = absl::Seconds(10);       // For a free connection.
  absl::Duration statement_max = absl::Seconds(60);  // Where the deadline is later.
  // Whether a database that may lose what it acknowledged (fsync or
  // full_page_writes off, no data checksums) is refused or warned of.
  bool refuse_unsafe = true;
};

// Thread-safe. Transactions run on the calling thread.
class PgCatalog final : public Catalog {
 public:
  // Connects, and checks the schema and the server's settings. The schema must
  // be migrated (migrations.h) first: kFailedPrecondition says how it differs.
  // `clock` and `random` outlive the catalog.
  static absl::StatusOr<std::unique_ptr<PgCatalog>> Open(const OpContext& ctx,
                                                         const PgCatalogOptions& options,
                                                         Clock& clock, Random& random);

  // What an operator should change about the server; empty where all is well.
  const std::vector<std::string>& warnings() const { return warnings_; }

  absl::Status Run(const OpContext& ctx,
                   absl::FunctionRef<absl::Status(Transaction&)> body) override;

 private:
  PgCatalog(const PgCatalogOptions& options, Clock& clock, Random& random);

  struct Attempt {
    absl::Status status;
    bool again = false;  // Nothing was done, and another try may work.
  };
  Attempt RunOnce(const OpContext& ctx, absl::FunctionRef<absl::Status(Transaction&)> body);

  const PgCatalogOptions options_;
  Clock& clock_;
  Random& random_;
  PgPool pool_;
  std::vector<std::string> warnings_;
};

}  // namespace mooring::storage
