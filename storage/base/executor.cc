#include "storage/base/executor.h"

#include <utility>

#include <pthread.h>

namespace mooring {

ThreadPool::ThreadPool(const std::string& name, std::size_t threads, std::size_t queue_max)
    : queue_max_(queue_max) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Work(); });
    pthread_setname_np(threads_.back().native_handle(), name.substr(0, 15).c_str());
  }
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(mutex_);
    closing_ = true;
    changed_.NotifyAll();
  }
  threads_.clear();  // Joins.
}

void ThreadPool::Run(absl::AnyInvocable<void()> task) {
  MutexLock lock(mutex_);
  changed_.Wait(mutex_, {},
                [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return queue_.size() < queue_max_; });
  queue_.push_back(std::move(task));
  changed_.NotifyAll();
}

void ThreadPool::Work() {
  for (;;) {
    absl::AnyInvocable<void()> task;
    {
      MutexLock lock(mutex_);
      changed_.Wait(mutex_, {}, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return closing_ || !queue_.empty();
      });
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
      changed_.NotifyAll();
    }
    task();
  }
}

}  // namespace mooring
