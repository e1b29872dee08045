#include "storage/base/executor.h"

#include <atomic>

#include <gtest/gtest.h>

namespace mooring {
namespace {

TEST(ThreadPoolTest, RunsEveryTaskBeforeItEnds) {
  std::atomic<int> done = 0;
  {
    ThreadPool pool("test", 3, 4);
    for (int i = 0; i < 1000; ++i) pool.Run([&done] { ++done; });
  }
  EXPECT_EQ(done, 1000);
}

TEST(ThreadPoolTest, AFullQueueHoldsTheCallerBack) {
  Mutex mutex;
  CondVar changed;
  bool open = false;
  std::atomic<int> queued = 0;
  {
    ThreadPool pool("test", 1, 2);
    std::jthread caller([&] {
      for (int i = 0; i < 6; ++i) {
        pool.Run([&] {
          MutexLock lock(mutex);
          changed.Wait(mutex, {}, [&open] { return open; });
        });
        ++queued;
      }
    });
    while (queued < 3) std::this_thread::yield();
    // One task runs and two wait: the fourth call must not have come back.
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    EXPECT_EQ(queued, 3);
    MutexLock lock(mutex);
    open = true;
    changed.NotifyAll();
  }
  EXPECT_EQ(queued, 6);
}

TEST(InlineExecutorTest, RunsAtOnce) {
  InlineExecutor executor;
  bool ran = false;
  executor.Run([&ran] { ran = true; });
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace mooring
