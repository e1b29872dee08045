// MemoryTx: one running transaction of a memory catalog: what it holds, whom it
// waits for, and the error that ended it. Statement: one statement of it.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/op_context.h"
#include "tests/sim/memory_catalog/turns.h"

namespace mooring::testing {

using TxId = std::uint64_t;  // 0: none.

class MemoryTx;

// A row, or a name, that transactions hold until they end.
class HeldRow {
 public:
  virtual ~HeldRow() = default;
  // Transactions other than `me` that keep it from being taken.
  std::vector<TxId> Blockers(TxId me, bool want_exclusive) const;
  void Take(MemoryTx& tx, bool want_exclusive);
  // The transaction is over. May destroy the row.
  virtual void End(TxId tx, bool commit) = 0;

  TxId exclusive = 0;

 protected:
  void Release(TxId tx);
  bool IsFree() const { return exclusive == 0 && sharers_.empty(); }

 private:
  std::vector<TxId> sharers_;
};

// A lock that is no row: pg_advisory_xact_lock.
class NamedLock final : public HeldRow {
 public:
  void End(TxId tx, bool /*commit*/) override { Release(tx); }
};

// What all transactions of a catalog share. Guarded by `mutex`.
struct TxGround {
  Mutex mutex;
  Turns* turns = nullptr;  // Of the catalog's own Run.
  Clock* clock = nullptr;
  TxId last_id = 0;
  int open = 0;                               // Transactions that have not ended.
  std::map<TxId, std::vector<TxId>> waiting;  // Who waits for whom.
};

// Thread-bound, like the transaction.
class MemoryTx {
 public:
  MemoryTx(TxGround& ground, Turns& turns, const OpContext& ctx);
  // Rolls back, unless it was ended.
  ~MemoryTx();
  MemoryTx(const MemoryTx&) = delete;
  MemoryTx& operator=(const MemoryTx&) = delete;

  TxId id() const { return id_; }
  int statements() const { return statements_; }
  // The error that ended it: no statement works from then on.
  const absl::Status& failure() const { return failure_; }

  Clock& clock() const { return *ground_.clock; }  // The database's.

  // Within a statement.

  // Notes an error that PostgreSQL ends a transaction with, and returns it.
  absl::Status Fail(const absl::Status& status);
  // As PostgreSQL's texts, which hold no NUL.
  absl::Status CheckTexts(std::initializer_list<std::string_view> texts);
  // Waits until some transaction has ended, so that the caller may look again.
  // kAborted: these wait for us.
  absl::Status WaitFor(const std::vector<TxId>& blockers);
  absl::Status TakeNamed(NamedLock& lock, bool exclusive);
  void Hold(HeldRow& row) { held_.push_back(&row); }

  // Makes its changes everybody's, or nobody's.
  void End(bool commit);

 private:
  friend class Statement;

  absl::Status CheckUsable();
  bool IsWaitedForBy(TxId other, int depth) const;

  TxGround& ground_;
  Turns& turns_;
  const OpContext& ctx_;
  const TxId id_;
  int statements_ = 0;
  bool ended_ = false;
  absl::Status failure_;
  std::vector<HeldRow*> held_;
};

// Every call of a store is one statement: it takes its turn, then works under
// the catalog's mutex to the end of its scope.
class Statement {
 public:
  explicit Statement(MemoryTx& tx) ABSL_NO_THREAD_SAFETY_ANALYSIS;
  ~Statement() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Whether it may go on.
  const absl::Status& status() const { return status_; }

 private:
  MemoryTx& tx_;
  absl::Status status_;
};

}  // namespace mooring::testing

// Begins a statement that lasts to the end of the scope, or returns its error.
#define MOORING_STATEMENT(tx)                        \
  const ::mooring::testing::Statement statement(tx); \
  MOORING_RETURN_IF_ERROR(statement.status())
