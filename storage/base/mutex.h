// Mutex, MutexLock, CondVar: std::mutex with clang thread-safety attributes.
//
// Not absl::Mutex: the packaged abseil is built without ThreadSanitizer hooks,
// so TSan reports a false race at every absl::Mutex. std::mutex is known to
// TSan but carries no attributes for -Wthread-safety. This wrapper has both.

#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

#include <absl/base/thread_annotations.h>
#include <absl/time/time.h>

namespace mooring {

class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

class CondVar {
 public:
  // Waits, holding `mutex` on entry and exit, until `ready()` or `stop` is
  // requested. Returns the last value of `ready()`.
  template <typename Predicate>
  bool Wait(Mutex& mutex, std::stop_token stop, Predicate ready)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool result = condition_.wait(lock, std::move(stop), std::move(ready));
    lock.release();
    return result;
  }

  struct WaitResult {
    bool ready = false;    // The last value of the predicate.
    bool stopped = false;  // Stop was requested.
  };

  // As Wait, but gives up after `timeout`.
  template <typename Predicate>
  WaitResult WaitFor(Mutex& mutex, std::stop_token stop, absl::Duration timeout, Predicate ready)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    WaitResult result;
    if (timeout == absl::InfiniteDuration()) {
      result.ready = condition_.wait(lock, stop, std::move(ready));
    } else {
      const auto until = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
      result.ready = condition_.wait_until(lock, stop, until, std::move(ready));
    }
    result.stopped = stop.stop_requested();
    lock.release();
    return result;
  }

  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable_any condition_;
};

}  // namespace mooring
