#include "agent/link/grpc_backup_link.h"

#include <thread>

#include <gmock/gmock.h>

#include "agent/device/cause.h"
#include "agent/pipeline/snapshot_builder_impl.h"
#include "tests/support/fake_backup_server.h"
#include "tests/support/snapshot_fixture.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

class GrpcBackupLinkTest : public ::testing::Test {
 protected:
  GrpcBackupLinkTest() {
    options_.patience.first = absl::Milliseconds(5);
    options_.patience.longest = absl::Milliseconds(50);
    options_.patience.total = absl::Seconds(20);
    link_ = std::make_unique<agent::GrpcBackupLink>(
        channel_, clock_, random_, options_,
        [this](v1::Phase, v1::WaitingFor waiting_for, const std::string&) {
          if (waiting_for == v1::WAITING_FOR_SLOT) ++slot_waits_;
        });
  }

  // A whole backup of `files` files of `size` bytes each.
  absl::StatusOr<v1::Receipt> BackUp(int files, std::size_t size) {
    auto grant = link_->Begin(ctx_, v1::BeginBackupRequest());
    if (!grant.ok()) return grant.status();
    auto builder = agent::SnapshotBuilderImpl::Create(ctx_, *link_, random_, *grant,
                                                      memory_.hpke_private_key(), {});
    if (!builder.ok()) return builder.status();
    for (int i = 0; i < files; ++i) {
      auto writer = (*builder)->Put(ctx_, "full/" + std::to_string(i), {}, agent::Domain::kPerson);
      if (!writer.ok()) return writer.status();
      const absl::Status written =
          (*writer)->Write(MakeContent(static_cast<std::uint64_t>(i), size));
      if (!written.ok()) return written;
      const absl::Status closed = (*writer)->Close();
      if (!closed.ok()) return closed;
    }
    return (*builder)->Finish(ctx_, agent::CommitFacts());
  }

  OpContext ctx_;
  SystemClock clock_;
  SeededRandom random_{3};
  MemoryLink memory_{random_};
  FakeBackupServer server_{memory_};
  agent::ServerChannel channel_{server_.Connect()};
  agent::LinkOptions options_;
  int slot_waits_ = 0;
  std::unique_ptr<agent::GrpcBackupLink> link_;
};

TEST_F(GrpcBackupLinkTest, BacksUpThroughAServerThatAcknowledgesLate) {
  const auto receipt = BackUp(60, kMiB);
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(server_.streams, 1);
  EXPECT_GE(link_->new_bytes(), 60 * kMiB);
}

TEST_F(GrpcBackupLinkTest, SendsAgainWhatADroppedStreamLost) {
  server_.streams_to_drop = 3;
  server_.drop_after = 5;
  const auto receipt = BackUp(30, kMiB);
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_GE(server_.streams, 4);
}

TEST_F(GrpcBackupLinkTest, ARestartOfTheServerInTheMiddleCostsNothing) {
  auto grant = link_->Begin(ctx_, v1::BeginBackupRequest());
  ASSERT_TRUE(grant.ok());
  auto builder = agent::SnapshotBuilderImpl::Create(ctx_, *link_, random_, *grant,
                                                    memory_.hpke_private_key(), {});
  ASSERT_TRUE(builder.ok());
  // The server comes back by itself: any call of the builder may wait for it.
  std::jthread restart;
  for (int i = 0; i < 20; ++i) {
    if (i == 10) {
      server_.Stop();
      restart = std::jthread([this](std::stop_token stop) {
        clock_.Sleep(absl::Milliseconds(300), stop);
        server_.Start();
      });
    }
    auto writer = (*builder)->Put(ctx_, "full/" + std::to_string(i), {}, agent::Domain::kPerson);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Write(MakeContent(static_cast<std::uint64_t>(i), kMiB)).ok());
    ASSERT_TRUE((*writer)->Close().ok());
  }
  restart.join();
  const auto receipt = (*builder)->Finish(ctx_, agent::CommitFacts());
  EXPECT_TRUE(receipt.ok()) << receipt.status();
}

TEST_F(GrpcBackupLinkTest, APackLargerThanTheWindowDoesNotStall) {
  server_.pack_bytes = std::uint64_t{1} << 40;  // Never full.
  const auto receipt = BackUp(50, kMiB);
  ASSERT_TRUE(receipt.ok()) << receipt.status();
}

TEST_F(GrpcBackupLinkTest, WaitsInTheQueueAndSaysSo) {
  server_.queued_answers = 4;
  ASSERT_TRUE(BackUp(1, 10).ok());
  EXPECT_EQ(slot_waits_, 4);
}

TEST_F(GrpcBackupLinkTest, GivesUpOnTheQueueWithServerBusy) {
  options_.queue_max = absl::Milliseconds(200);
  link_ = std::make_unique<agent::GrpcBackupLink>(
      channel_, clock_, random_, options_, [](v1::Phase, v1::WaitingFor, const std::string&) {});
  server_.queued_answers = 1'000'000;
  const auto receipt = BackUp(1, 10);
  EXPECT_EQ(agent::CauseOf(receipt.status()), v1::CAUSE_SERVER_BUSY) << receipt.status();
}

TEST_F(GrpcBackupLinkTest, ACommitWhoseAnswerWasLostIsAskedAgain) {
  server_.unavailable_commits = 2;
  const auto receipt = BackUp(2, 1000);
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(server_.commits, 3);
  EXPECT_EQ(memory_.snapshot_count(), 1U);
}

TEST_F(GrpcBackupLinkTest, AFullStoreEndsTheUploadAtOnce) {
  server_.refuse_uploads = true;
  const auto receipt = BackUp(60, kMiB);
  EXPECT_TRUE(absl::IsResourceExhausted(receipt.status())) << receipt.status();
  EXPECT_EQ(server_.streams, 1);
}

TEST_F(GrpcBackupLinkTest, AServerThatIsGoneIsUnreachable) {
  options_.patience.total = absl::Milliseconds(300);
  link_ = std::make_unique<agent::GrpcBackupLink>(
      channel_, clock_, random_, options_, [](v1::Phase, v1::WaitingFor, const std::string&) {});
  server_.Stop();
  const auto receipt = BackUp(1, 10);
  EXPECT_EQ(agent::CauseOf(receipt.status()), v1::CAUSE_SERVER_UNREACHABLE) << receipt.status();
}

TEST_F(GrpcBackupLinkTest, AStopEndsAnUploadThatWaits) {
  std::stop_source stop;
  ctx_.stop = stop.get_token();
  auto grant = link_->Begin(ctx_, v1::BeginBackupRequest());
  ASSERT_TRUE(grant.ok());
  server_.Stop();
  std::jthread later([&] { stop.request_stop(); });
  absl::Status status;
  for (int i = 0; status.ok() && i < 100; ++i) {
    status = link_->UploadString(ctx_, DomainId(), std::string(kMiB, 'x'));
  }
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

}  // namespace
}  // namespace mooring::testing
