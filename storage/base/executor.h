// Executor: where work that is not on the caller's thread runs.

#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "storage/base/mutex.h"

namespace mooring {

// Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;

  // Runs `task` once, at some time, on some thread of the executor. Blocks
  // while the queue is full: that is the back-pressure.
  virtual void Run(absl::AnyInvocable<void()> task) = 0;
};

// Runs each task on the calling thread: for tests and for one-core paths.
class InlineExecutor final : public Executor {
 public:
  void Run(absl::AnyInvocable<void()> task) override { task(); }
};

// A fixed number of threads with a bounded queue. The destructor finishes what
// was queued.
class ThreadPool final : public Executor {
 public:
  // `name` is what the threads are called in ps and top (at most 15 characters).
  ThreadPool(const std::string& name, std::size_t threads, std::size_t queue_max);
  ~ThreadPool() override;

  void Run(absl::AnyInvocable<void()> task) override;

 private:
  void Work();

  const std::size_t queue_max_;
  Mutex mutex_;
  CondVar changed_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;
};

}  // namespace mooring
