#include "storage/catalog/pg_pool.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::storage {

PgPool::PgPool(std::string url, std::size_t connections_max, absl::Duration wait_max, Clock& clock)
    : url_(std::move(url)), connections_max_(connections_max), wait_max_(wait_max), clock_(clock) {}

PgPool::Lease::Lease(PgPool& pool, std::unique_ptr<SqlSession> session)
    : pool_(&pool), session_(std::move(session)) {}

PgPool::Lease::~Lease() {
  if (session_ != nullptr) pool_->Return(std::move(session_));
}

absl::StatusOr<PgPool::Lease> PgPool::Acquire(const OpContext& ctx) {
  const absl::Duration left = ctx.deadline - clock_.Now();
  {
    MutexLock lock(mutex_);
    // The lambda runs under mutex_, which the analysis cannot see.
    const auto free = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return lent_ < connections_max_; };
    const CondVar::WaitResult waited =
        returned_.WaitFor(mutex_, ctx.stop, std::min(left, wait_max_), free);
    if (waited.stopped) return absl::CancelledError("database: stopped");
    if (!waited.ready && left <= wait_max_) {
      return absl::DeadlineExceededError("database: no connection came free in time");
    }
    if (!waited.ready) {
      return absl::UnavailableError(
          fmt::format("database: all {} connections are busy", connections_max_));
    }
    ++lent_;
    if (!idle_.empty()) {
      std::unique_ptr<SqlSession> session = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(session));
    }
  }
  absl::StatusOr<std::unique_ptr<SqlSession>> session = SqlSession::Connect(url_);
  if (!session.ok()) {
    Return(nullptr);
    return session.status();
  }
  return Lease(*this, *std::move(session));
}

void PgPool::Return(std::unique_ptr<SqlSession> session) {
  std::vector<std::unique_ptr<SqlSession>> dropped;  // Closed after the lock is given up.
  MutexLock lock(mutex_);
  --lent_;
  if (session != nullptr && session->broken()) {
    // The server went: the idle ones are as dead as this one.
    dropped.swap(idle_);
    dropped.push_back(std::move(session));
  } else if (session != nullptr) {
    idle_.push_back(std::move(session));
  }
  returned_.NotifyOne();
}

}  // namespace mooring::storage
