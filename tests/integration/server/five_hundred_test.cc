// Five hundred phones at once against fifty slots: no session begins without a
// slot, and every phone is backed up or told that the server is busy.

#include <atomic>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "proto/rpc_status.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/person_store.h"
#include "tests/integration/server/server_fixture.h"
#include "tests/integration/server/wire_backup.h"

namespace mooring::testing {
namespace {

constexpr int kPhones = 500;
constexpr int kSlots = 50;
constexpr int kThreads = 16;
constexpr int kRoundsHeld = 2;  // A session keeps its slot for so many rounds.

struct SyntheticPhone {
  int number = 0;
  std::string serial;
  std::string key;
  std::optional<v1::SessionGrant> grant;
  int rounds_held = 0;
  bool done = false;
};

class FiveHundredTest : public ServerFixture {
 protected:
  void SetUp() override {
    TestServer::Options options;
    options.limits.set_sessions_max(kSlots);
    options.limits.set_queue_max(300);  // Fewer than would like to wait.
    SetUpServer(options);
    AddPerson("alice");
    agent_ = Enroll();
    ASSERT_NE(agent_, nullptr);
    const absl::Status bound = catalog().Run(ctx(), [&](storage::Transaction& tx) -> absl::Status {
      const auto alice = tx.people().FindByHandle("alice");
      if (!alice.ok()) return alice.status();
      for (int i = 0; i < kPhones; ++i) {
        v1::DeviceFacts facts;
        facts.set_serial(fmt::format("PHONE-{:03}", i));
        facts.set_platform(v1::PLATFORM_IOS);
        const auto device =
            tx.devices().Attach(DeviceId::Make(random()), facts, agent_->id(), absl::Now());
        if (!device.ok()) return device.status();
        const auto assigned = tx.devices().Assign(device->id, (*alice)->id);
        if (!assigned.ok()) return assigned.status();
      }
      return absl::OkStatus();
    });
    ASSERT_TRUE(bound.ok()) << bound;
  }

  void Ask(SyntheticPhone& phone) {
    const auto answer = agent_->Begin(phone.serial, phone.key);
    if (absl::IsResourceExhausted(answer.status())) {
      const auto detail = ErrorDetailOf(answer.status());
      EXPECT_TRUE(detail && detail->cause() == v1::CAUSE_SERVER_BUSY) << answer.status();
      ++busy_;
      return;
    }
    ASSERT_TRUE(answer.ok()) << answer.status();
    if (!answer->has_granted()) {
      ++queued_;
      return;
    }
    EXPECT_LE(++running_, kSlots);
    phone.grant = answer->granted();
  }

  void BackUp(SyntheticPhone& phone) {
    const auto session = agent_->Open(*phone.grant);
    ASSERT_TRUE(session.ok()) << session.status();
    SystemClock clock;
    SystemRandom random;
    const auto tree = SealFiles(
        *session, {{"full/00/one", fmt::format("content of {}", phone.number)}}, clock, random);
    ASSERT_TRUE(tree.ok()) << tree.status();
    // Its slot is free as soon as the server has committed, before we hear of it.
    --running_;
    const auto receipt = FinishOverWire(*agent_, *session, *tree);
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    phone.done = true;
    ++done_;
  }

  void Serve(std::vector<SyntheticPhone>& phones, int first) {
    bool all = false;
    while (!all && !HasFatalFailure()) {
      all = true;
      for (std::size_t i = static_cast<std::size_t>(first); i < phones.size(); i += kThreads) {
        SyntheticPhone& phone = phones[i];
        if (phone.done) continue;
        all = false;
        if (!phone.grant) {
          Ask(phone);
        } else if (++phone.rounds_held > kRoundsHeld) {
          BackUp(phone);
        }
      }
    }
  }

  std::unique_ptr<TestAgent> agent_;
  std::atomic<int> running_{0};
  std::atomic<int> done_{0};
  std::atomic<int> busy_{0};
  std::atomic<int> queued_{0};
};

TEST_F(FiveHundredTest, NoneRunsWithoutASlotAndAllGetThere) {
  std::vector<SyntheticPhone> phones(kPhones);
  for (int i = 0; i < kPhones; ++i) {
    SyntheticPhone& phone = phones[static_cast<std::size_t>(i)];
    phone.number = i;
    phone.serial = fmt::format("PHONE-{:03}", i);
    phone.key = SessionId::Make(random()).bytes();
  }
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) threads.emplace_back([&, t] { Serve(phones, t); });
  }
  EXPECT_EQ(done_, kPhones);
  EXPECT_GT(busy_, 0) << "more asked than may wait, and none was turned away";
  EXPECT_GT(queued_, 0);
  grpc::ClientContext context;
  v1::GetServerStatusResponse status;
  ASSERT_TRUE(admin().fleet->GetServerStatus(&context, {}, &status).ok());
  EXPECT_EQ(status.snapshot_count(), static_cast<std::uint64_t>(kPhones));
  EXPECT_EQ(status.sessions_running(), 0U);
  EXPECT_EQ(status.sessions_queued(), 0U);
}

}  // namespace
}  // namespace mooring::testing
