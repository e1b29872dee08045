// PgPool: a bounded number of connections, lent to one transaction at a time.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/op_context.h"
#include "storage/catalog/sql.h"

namespace mooring::storage {

// Thread-safe. Outlives its leases.
class PgPool {
 public:
  // `wait_max` bounds the wait for a connection where the deadline does not.
  PgPool(std::string url, std::size_t connections_max, absl::Duration wait_max, Clock& clock);

  // A connection for as long as it lives. A lost one is not lent again.
  class Lease {
   public:
    Lease(PgPool& pool, std::unique_ptr<SqlSession> session);
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();

    SqlSession& session() { return *session_; }

   private:
    PgPool* pool_;
    std::unique_ptr<SqlSession> session_;
  };

  // An idle connection, or a new one. kUnavailable: no database, or all are busy
  // for longer than the pool waits. kDeadlineExceeded, kCancelled: as `ctx` asks.
  absl::StatusOr<Lease> Acquire(const OpContext& ctx);

 private:
  void Return(std::unique_ptr<SqlSession> session);

  const std::string url_;
  const std::size_t connections_max_;
  const absl::Duration wait_max_;
  Clock& clock_;
  Mutex mutex_;
  CondVar returned_;
  std::size_t lent_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<SqlSession>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::storage
