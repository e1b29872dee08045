// Scheduler: cooperative tasks on one thread and simulated time. Each task has a
// stack of its own and runs until it yields, sleeps or waits; the dice decide
// which goes on. Where every task waits for time, time jumps.
//
// A task switches only inside the seams of the simulation (store, catalog,
// clock, network), so no mutex of the code under test is held across a switch.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/time/time.h>
#include <ucontext.h>

#include "tests/sim/dice.h"

namespace mooring::testing {

// Stacks of tasks that have ended, for the next ones. Outlives its schedulers.
class StackPool {
 public:
  StackPool() = default;
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  static constexpr std::size_t kStackBytes = std::size_t{256} << 10;
  void* Take();
  void Give(void* stack) { free_.push_back(stack); }

 private:
  std::vector<void*> free_;
};

class Scheduler {
 private:
  struct Task;

 public:
  // Tasks that wait for something other than time.
  class WaitList {
   private:
    friend class Scheduler;
    struct Waiter {
      Task* task;
      std::uint64_t turn;
    };
    std::vector<Waiter> waiters_;
  };

  // Both outlive the scheduler.
  Scheduler(Dice& dice, StackPool& stacks);
  ~Scheduler();  // Every task has ended.
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  void Spawn(std::string name, absl::AnyInvocable<void()> body);

  // Runs one task up to its next switch. False: there is no task any more, or
  // all of them wait for each other.
  bool Step();
  bool has_tasks() const { return !tasks_.empty(); }
  std::size_t task_count() const { return tasks_.size(); }
  std::uint64_t steps() const { return steps_; }
  // Since the beginning. Never goes back.
  absl::Duration now() const { return absl::Microseconds(now_us_); }
  void set_pace(std::int64_t us_max) { pace_us_ = us_max; }

  // Of the running task. Nothing where none runs: checkers call the seams, too.
  void Yield();
  void Sleep(absl::Duration duration);
  void Wait(WaitList& list);
  // False: `timeout` passed first.
  bool WaitFor(WaitList& list, absl::Duration timeout);
  int task_number() const;
  std::string_view task_name() const;

  void WakeAll(WaitList& list);

 private:
  struct Task {
    int number = 0;
    std::string name;
    absl::AnyInvocable<void()> body;
    ucontext_t context{};
    void* stack = nullptr;
    bool ended = false;
    bool woken = false;
    std::uint64_t turn = 0;  // Counts its waits: an older wakeup is stale.
  };
  struct Sleeper {
    Task* task;
    std::uint64_t turn;
  };

  static void Enter(unsigned high, unsigned low);
  void Switch();
  void WakeSleepers();
  void Retire(Task* task);

  Dice& dice_;
  StackPool& stacks_;
  ucontext_t main_{};
  // Where the thread's own stack is, for AddressSanitizer.
  const void* main_bottom_ = nullptr;
  std::size_t main_size_ = 0;
  Task* running_ = nullptr;
  int last_number_ = 0;
  std::uint64_t steps_ = 0;
  std::int64_t now_us_ = 0;
  std::int64_t pace_us_ = 1000;
  std::map<int, std::unique_ptr<Task>> tasks_;
  std::vector<Task*> ready_;
  std::multimap<std::int64_t, Sleeper> sleepers_;
};

}  // namespace mooring::testing
