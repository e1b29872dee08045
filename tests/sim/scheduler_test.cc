#include "tests/sim/scheduler.h"

#include <string>

#include <gtest/gtest.h>

namespace mooring::testing {
namespace {

class SchedulerTest : public ::testing::Test {
 protected:
  void RunAll() {
    while (scheduler_.Step()) {
    }
  }

  StackPool stacks_;
  Dice dice_{3};
  Scheduler scheduler_{dice_, stacks_};
};

TEST_F(SchedulerTest, TasksRunInTurns) {
  std::string order;
  for (const char name : {'a', 'b'}) {
    scheduler_.Spawn(std::string(1, name), [this, name, &order] {
      for (int i = 0; i < 20; ++i) {
        order += name;
        scheduler_.Yield();
      }
    });
  }
  RunAll();
  EXPECT_EQ(order.size(), 40u);
  EXPECT_NE(order.find("ab"), std::string::npos);
  EXPECT_NE(order.find("ba"), std::string::npos);
  EXPECT_FALSE(scheduler_.has_tasks());
}

TEST_F(SchedulerTest, TimeJumpsToTheFirstSleeper) {
  std::string order;
  scheduler_.Spawn("late", [&] {
    scheduler_.Sleep(absl::Hours(2));
    order += "late";
  });
  scheduler_.Spawn("soon", [&] {
    scheduler_.Sleep(absl::Hours(1));
    order += "soon ";
  });
  RunAll();
  EXPECT_EQ(order, "soon late");
  EXPECT_GE(scheduler_.now(), absl::Hours(2));
  EXPECT_LT(scheduler_.now(), absl::Hours(3));
}

TEST_F(SchedulerTest, AWaiterIsWokenOrItsTimePasses) {
  Scheduler::WaitList list;
  bool woken = false;
  bool timed_out = false;
  scheduler_.Spawn("woken", [&] { woken = scheduler_.WaitFor(list, absl::Hours(1)); });
  scheduler_.Spawn("waker", [&] {
    scheduler_.Sleep(absl::Minutes(1));
    scheduler_.WakeAll(list);
    timed_out = !scheduler_.WaitFor(list, absl::Minutes(1));
  });
  RunAll();
  EXPECT_TRUE(woken);
  EXPECT_TRUE(timed_out);
  EXPECT_FALSE(scheduler_.has_tasks());
}

TEST_F(SchedulerTest, ATimerThatComesBetweenWakeupAndTurnIsForgotten) {
  scheduler_.set_pace(1'000'000);
  Scheduler::WaitList list;
  int woken = 0;
  for (int i = 0; i < 20; ++i) {
    scheduler_.Spawn("waiter",
                     [&] { woken += scheduler_.WaitFor(list, absl::Seconds(1)) ? 1 : 0; });
  }
  scheduler_.Spawn("waker", [&] { scheduler_.WakeAll(list); });
  RunAll();
  EXPECT_FALSE(scheduler_.has_tasks());
  EXPECT_GE(woken, 0);
}

TEST_F(SchedulerTest, TasksThatWaitForEachOtherAreNoticed) {
  Scheduler::WaitList list;
  scheduler_.Spawn("stuck", [&] { scheduler_.Wait(list); });
  RunAll();
  EXPECT_TRUE(scheduler_.has_tasks());
  scheduler_.WakeAll(list);
  RunAll();
  EXPECT_FALSE(scheduler_.has_tasks());
}

}  // namespace
}  // namespace mooring::testing
