#include "server/services/slot_queue.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace mooring::server {
namespace {

SlotSeeker Seeker(int number) {
  SeededRandom random(static_cast<std::uint64_t>(number) + 1);
  return {.key = "key-" + std::to_string(number),
          .agent = AgentId::Make(random),
          .serial = "phone-" + std::to_string(number)};
}

SessionId Session(int number) {
  SeededRandom random(static_cast<std::uint64_t>(number) + 100'000);
  return SessionId::Make(random);
}

class SlotQueueTest : public ::testing::Test {
 protected:
  ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
};

TEST_F(SlotQueueTest, FiveHundredWaitForFiftySlotsAndNoneIsGrantedBeyond) {
  SlotQueue queue({.sessions_max = 50, .queue_max = 1000}, clock_);
  std::set<int> running;
  std::vector<int> order;  // In which they were granted.
  std::set<int> done;
  std::vector<int> waiting;
  for (int i = 0; i < 500; ++i) waiting.push_back(i);
  int finish_next = 0;
  for (int round = 0; round < 10'000 && done.size() < 500; ++round) {
    std::vector<int> still;
    for (const int i : waiting) {
      const auto answer = queue.Ask(Seeker(i));
      ASSERT_TRUE(answer.ok()) << answer.status();
      if (answer->granted) {
        queue.Bind(Seeker(i).key, Session(i));
        running.insert(i);
        order.push_back(i);
      } else {
        still.push_back(i);
      }
      ASSERT_LE(running.size(), 50U);
      ASSERT_EQ(queue.held(), running.size());
    }
    waiting = still;
    clock_.Advance(absl::Seconds(5));
    // A few end each round, the oldest first.
    for (int n = 0; n < 7 && finish_next < static_cast<int>(order.size()); ++n) {
      const int ended = order[static_cast<std::size_t>(finish_next++)];
      queue.Release(Session(ended));
      running.erase(ended);
      done.insert(ended);
    }
  }
  EXPECT_EQ(done.size(), 500U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << "not first come, first served";
  EXPECT_EQ(queue.held(), 0U);
  EXPECT_EQ(queue.waiting(), 0U);
}

TEST_F(SlotQueueTest, PositionsCountThoseAhead) {
  SlotQueue queue({.sessions_max = 1, .queue_max = 10}, clock_);
  EXPECT_TRUE(queue.Ask(Seeker(0))->granted);
  for (int i = 1; i < 5; ++i) {
    const auto answer = queue.Ask(Seeker(i));
    ASSERT_TRUE(answer.ok());
    EXPECT_FALSE(answer->granted);
    EXPECT_EQ(answer->position, static_cast<std::uint32_t>(i - 1));
    EXPECT_GT(answer->retry_after, absl::ZeroDuration());
  }
  EXPECT_EQ(queue.waiting(), 4U);
}

TEST_F(SlotQueueTest, TheSameKeyHasOneSlot) {
  SlotQueue queue({.sessions_max = 2, .queue_max = 10}, clock_);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(queue.Ask(Seeker(1))->granted);
  EXPECT_EQ(queue.held(), 1U);
}

TEST_F(SlotQueueTest, MoreThanMayWaitAreTurnedAway) {
  SlotQueue queue({.sessions_max = 1, .queue_max = 2}, clock_);
  ASSERT_TRUE(queue.Ask(Seeker(0)).ok());
  ASSERT_TRUE(queue.Ask(Seeker(1)).ok());
  ASSERT_TRUE(queue.Ask(Seeker(2)).ok());
  EXPECT_EQ(queue.Ask(Seeker(3)).status().code(), absl::StatusCode::kResourceExhausted);
  // Those that wait are not hurt.
  EXPECT_EQ(queue.Ask(Seeker(2))->position, 1U);
}

TEST_F(SlotQueueTest, AWaiterThatStopsPollingLosesItsPlace) {
  SlotQueue queue({.sessions_max = 1, .queue_max = 10}, clock_);
  ASSERT_TRUE(queue.Ask(Seeker(0))->granted);
  ASSERT_FALSE(queue.Ask(Seeker(1))->granted);
  clock_.Advance(absl::Seconds(30));
  ASSERT_EQ(queue.Ask(Seeker(2))->position, 1U);
  clock_.Advance(absl::Seconds(30));
  EXPECT_EQ(queue.Ask(Seeker(2))->position, 0U);
  EXPECT_EQ(queue.waiting(), 1U);
}

TEST_F(SlotQueueTest, AnAgentThatBeginsAnewTakesItsOwnSlotOver) {
  SlotQueue queue({.sessions_max = 1, .queue_max = 10}, clock_);
  SlotSeeker seeker = Seeker(0);
  ASSERT_TRUE(queue.Ask(seeker)->granted);
  queue.Bind(seeker.key, Session(0));
  seeker.key = "after a crash";
  EXPECT_TRUE(queue.Ask(seeker)->granted);
  EXPECT_EQ(queue.held(), 1U);
  // The end of the old session does not free the new one's slot.
  queue.Release(Session(0));
  EXPECT_EQ(queue.held(), 1U);
  // Another agent with the same phone takes nothing over.
  SlotSeeker other = Seeker(7);
  other.serial = seeker.serial;
  EXPECT_FALSE(queue.Ask(other)->granted);
}

TEST_F(SlotQueueTest, OpenSessionsHoldTheirSlotsAfterARestart) {
  SlotQueue queue({.sessions_max = 1, .queue_max = 10}, clock_);
  queue.Resume(Seeker(0), Session(0));
  EXPECT_FALSE(queue.Ask(Seeker(1))->granted);
  EXPECT_TRUE(queue.Ask(Seeker(0))->granted);
  queue.Release(Session(0));
  EXPECT_TRUE(queue.Ask(Seeker(1))->granted);
}

}  // namespace
}  // namespace mooring::server
