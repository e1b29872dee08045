// Turns: how the transactions of a memory catalog take turns, and what goes
// wrong with them. Threads wait for each other on a condition variable; the
// simulation switches fibers instead, at every statement.

#pragma once

#include <stop_token>

#include <absl/status/status.h>

#include "storage/base/mutex.h"

namespace mooring::testing {

enum class CommitFault {
  kNone,
  kConflict,        // 40001: rolled back, and Run tries again.
  kInDoubtDone,     // Committed; the answer is lost.
  kInDoubtNotDone,  // Rolled back at the commit; the answer is lost.
  kPretended,       // A broken database: rolled back, and it says OK.
  kGone,            // The connection broke before the commit: rolled back, kUnavailable.
};

// Thread-safe.
class Turns {
 public:
  virtual ~Turns() = default;

  // Before a transaction begins. Anything but OK: no database, nothing is done.
  virtual absl::Status BeforeTransaction() { return absl::OkStatus(); }
  // Before each statement, with nothing locked by the catalog itself. Anything
  // but OK fails the statement and so the transaction.
  virtual absl::Status BeforeStatement() { return absl::OkStatus(); }
  // Before the commit of a transaction whose body is done.
  virtual CommitFault BeforeCommit() { return CommitFault::kNone; }

  // Waits, holding `mutex` on entry and exit, until some transaction has ended
  // or `stop` is requested; may return early.
  virtual void WaitForOthers(Mutex& mutex, std::stop_token stop)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;
  // Some transaction has ended.
  virtual void WakeOthers() = 0;
};

// Turns of threads, without faults.
class ThreadTurns : public Turns {
 public:
  void WaitForOthers(Mutex& mutex, std::stop_token stop)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) override;
  void WakeOthers() override { ended_.NotifyAll(); }

 private:
  CondVar ended_;
};

}  // namespace mooring::testing
