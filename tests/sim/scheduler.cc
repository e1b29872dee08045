#include "tests/sim/scheduler.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "storage/base/check.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace mooring::testing {
namespace {

// AddressSanitizer is told where the stack is.
void StartSwitch([[maybe_unused]] void** fake, [[maybe_unused]] const void* bottom,
                 [[maybe_unused]] std::size_t size) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(fake, bottom, size);
#endif
}
void FinishSwitch([[maybe_unused]] void* fake, [[maybe_unused]] const void** bottom,
                  [[maybe_unused]] std::size_t* size) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake, bottom, size);
#endif
}

}  // namespace

StackPool::~StackPool() {
  for (void* const stack : free_) munmap(stack, kStackBytes);
}

void* StackPool::Take() {
  if (!free_.empty()) {
    void* const stack = free_.back();
    free_.pop_back();
    return stack;
  }
  void* const stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  MOORING_CHECK(stack != MAP_FAILED);
  // Running off the end stops the process instead of writing over another stack.
  MOORING_CHECK(mprotect(stack, 4096, PROT_NONE) == 0);
  return stack;
}

Scheduler::Scheduler(Dice& dice, StackPool& stacks) : dice_(dice), stacks_(stacks) {}

Scheduler::~Scheduler() {
  MOORING_CHECK(tasks_.empty());
}

void Scheduler::Spawn(std::string name, absl::AnyInvocable<void()> body) {
  auto task = std::make_unique<Task>();
  task->number = ++last_number_;
  task->name = std::move(name);
  task->body = std::move(body);
  task->stack = stacks_.Take();
  MOORING_CHECK(getcontext(&task->context) == 0);
  task->context.uc_stack.ss_sp = task->stack;
  task->context.uc_stack.ss_size = StackPool::kStackBytes;
  task->context.uc_link = nullptr;
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  makecontext(&task->context, reinterpret_cast<void (*)()>(&Scheduler::Enter), 2,
              static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
  ready_.push_back(task.get());
  tasks_.emplace(task->number, std::move(task));
}

void Scheduler::Enter(unsigned high, unsigned low) {
  auto* const scheduler = reinterpret_cast<Scheduler*>((std::uintptr_t{high} << 32) | low);
  FinishSwitch(nullptr, &scheduler->main_bottom_, &scheduler->main_size_);
  Task* const task = scheduler->running_;
  task->body();
  task->body = nullptr;  // What it captured ends on its own stack.
  task->ended = true;
  StartSwitch(nullptr, scheduler->main_bottom_, scheduler->main_size_);
  setcontext(&scheduler->main_);
}

bool Scheduler::Step() {
  now_us_ += static_cast<std::int64_t>(dice_.Roll(static_cast<std::uint64_t>(pace_us_)));
  WakeSleepers();
  if (ready_.empty()) {
    if (sleepers_.empty()) return false;
    now_us_ = std::max(now_us_, sleepers_.begin()->first);
    WakeSleepers();
    if (ready_.empty()) return Step();  // What slept had been woken otherwise.
  }
  const std::size_t chosen = dice_.Roll(ready_.size());
  running_ = ready_[chosen];
  ready_[chosen] = ready_.back();
  ready_.pop_back();
  ++steps_;
  void* fake = nullptr;
  StartSwitch(&fake, running_->stack, StackPool::kStackBytes);
  MOORING_CHECK(swapcontext(&main_, &running_->context) == 0);
  FinishSwitch(fake, nullptr, nullptr);
  Task* const task = std::exchange(running_, nullptr);
  if (task->ended) Retire(task);
  return true;
}

void Scheduler::Retire(Task* task) {
  stacks_.Give(task->stack);
  tasks_.erase(task->number);
}

void Scheduler::Switch() {
  void* fake = nullptr;
  StartSwitch(&fake, main_bottom_, main_size_);
  MOORING_CHECK(swapcontext(&running_->context, &main_) == 0);
  FinishSwitch(fake, &main_bottom_, &main_size_);
}

void Scheduler::WakeSleepers() {
  while (!sleepers_.empty() && sleepers_.begin()->first <= now_us_) {
    const Sleeper sleeper = sleepers_.begin()->second;
    sleepers_.erase(sleepers_.begin());
    // Tasks that end have no wait behind them, so the pointer is good.
    if (sleeper.task->turn == sleeper.turn) {
      ++sleeper.task->turn;
      ready_.push_back(sleeper.task);
    }
  }
}

void Scheduler::Yield() {
  if (running_ == nullptr) return;
  ready_.push_back(running_);
  Switch();
}

void Scheduler::Sleep(absl::Duration duration) {
  WaitList nobody;
  WaitFor(nobody, duration);
}

void Scheduler::Wait(WaitList& list) {
  if (running_ == nullptr) return;
  list.waiters_.push_back({running_, running_->turn});
  Switch();
}

bool Scheduler::WaitFor(WaitList& list, absl::Duration timeout) {
  if (running_ == nullptr) return false;
  Task* const me = running_;
  me->woken = false;
  const std::int64_t until =
      now_us_ + std::max<std::int64_t>(0, absl::ToInt64Microseconds(timeout));
  list.waiters_.push_back({me, me->turn});
  const std::uint64_t turn = me->turn;
  sleepers_.emplace(until, Sleeper{me, turn});
  Switch();
  if (me->woken) {
    // Unless it has come and gone between the wakeup and now.
    const auto [first, last] = sleepers_.equal_range(until);
    const auto timer = std::find_if(first, last, [&](const auto& sleeper) {
      return sleeper.second.task == me && sleeper.second.turn == turn;
    });
    if (timer != last) sleepers_.erase(timer);
  } else {
    list.waiters_.erase(
        std::remove_if(list.waiters_.begin(), list.waiters_.end(),
                       [me](const WaitList::Waiter& waiter) { return waiter.task == me; }),
        list.waiters_.end());
  }
  return me->woken;
}

void Scheduler::WakeAll(WaitList& list) {
  for (const WaitList::Waiter& waiter : std::exchange(list.waiters_, {})) {
    if (waiter.task->turn != waiter.turn) continue;
    ++waiter.task->turn;
    waiter.task->woken = true;
    ready_.push_back(waiter.task);
  }
}

int Scheduler::task_number() const {
  return running_ == nullptr ? 0 : running_->number;
}

std::string_view Scheduler::task_name() const {
  return running_ == nullptr ? std::string_view("main") : std::string_view(running_->name);
}

}  // namespace mooring::testing
