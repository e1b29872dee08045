// Garbage collection through the RPCs: plan, round, status, stop, lease.

#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mooring/v1/collection.grpc.pb.h"
#include "proto/rpc_status.h"
#include "server/metrics/server_metrics.h"
#include "storage/base/status.h"
#include "storage/catalog/collection_store.h"
#include "tests/integration/server/server_fixture.h"
#include "tests/integration/server/wire_backup.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kSerial[] = "00008120-000A1B2C3D4E001E";

class CollectionServiceTest : public ServerFixture {
 protected:
  using Collection = v1::CollectionService::Stub;

  void SetUp() override {
    ServerFixture::SetUp();
    collection_ = v1::CollectionService::NewStub(admin().channel);
    first_ = StatusOfFirstRound();
    AddPerson("alice");
    agent_ = Enroll();
    control_ = std::make_unique<TestControl>(*agent_);
    ASSERT_TRUE(control_->hello().ok());
    ASSERT_TRUE(control_->Attach(kSerial).ok());
    ASSERT_TRUE(Assign(kSerial, "alice").ok());
    ASSERT_TRUE(
        BackUpOverWire(*agent_, kSerial, {{"full/00/one", SyntheticContent(1, 50'000)}}, random())
            .ok());
  }
  void TearDown() override {
    collection_.reset();
    control_.reset();
    ServerFixture::TearDown();
  }

  absl::StatusOr<v1::CollectionReport> Collect(bool plan) {
    grpc::ClientContext context;
    v1::CollectGarbageRequest request;
    request.set_plan(plan);
    const auto reader = collection_->CollectGarbage(&context, request);
    v1::CollectGarbageResponse message;
    std::optional<v1::CollectionReport> report;
    while (reader->Read(&message)) {
      if (message.has_report()) report = message.report();
    }
    MOORING_RETURN_IF_ERROR(FromGrpcStatus(reader->Finish()));
    if (!report) return absl::InternalError("no report came");
    return *report;
  }
  // The server begins a round by itself when it starts.
  v1::GetRepositoryStatusResponse StatusOfFirstRound() {
    const absl::Time until = absl::Now() + absl::Seconds(60);
    v1::GetRepositoryStatusResponse status = Status();
    while ((!status.has_last_round() || !status.collecting_on().empty()) && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(20));
      status = Status();
    }
    EXPECT_TRUE(status.has_last_round());
    return status;
  }
  v1::GetRepositoryStatusResponse Status() {
    grpc::ClientContext context;
    v1::GetRepositoryStatusResponse response;
    const auto status =
        collection_->GetRepositoryStatus(&context, v1::GetRepositoryStatusRequest(), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  absl::Status ClearStop(const std::string& reason) {
    grpc::ClientContext context;
    v1::ClearCollectionStopRequest request;
    request.set_reason(reason);
    v1::ClearCollectionStopResponse response;
    return FromGrpcStatus(collection_->ClearCollectionStop(&context, request, &response));
  }
  void InCatalog(absl::FunctionRef<absl::Status(storage::Transaction&)> body) {
    const absl::Status run = catalog().Run({}, body);
    ASSERT_TRUE(run.ok()) << run;
  }

  std::unique_ptr<Collection> collection_;
  v1::GetRepositoryStatusResponse first_;
  std::unique_ptr<TestAgent> agent_;
  std::unique_ptr<TestControl> control_;
};

TEST_F(CollectionServiceTest, ARoundReportsAndStatusShowsIt) {
  const auto plan = Collect(true);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->is_plan());
  EXPECT_TRUE(plan->stock().adds_up()) << plan->stock().DebugString();
  EXPECT_EQ(plan->snapshots(), 1u);
  EXPECT_EQ(Status().generation(), first_.generation());

  const auto report = Collect(false);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->generation(), first_.generation() + 1);
  EXPECT_GT(report->stock().live().bytes(), 50'000u);
  const v1::GetRepositoryStatusResponse status = Status();
  EXPECT_EQ(status.epoch(), first_.epoch() + 1);
  EXPECT_EQ(status.last_round().generation(), report->generation());
  EXPECT_EQ(status.snapshots(), 1u);
  EXPECT_GT(status.live().chunks(), 0u);
  EXPECT_TRUE(status.stop_reason().empty());
  EXPECT_TRUE(status.collecting_on().empty());
  EXPECT_THAT(AuditActions(), Contains("collection.order"));

  ASSERT_TRUE(server().server().RefreshMetrics(ctx()).ok());
  const std::string metrics = server().server().metrics().Text();
  EXPECT_THAT(metrics, HasSubstr("mooring_collection_bytes{state=\"live\"} "));
  EXPECT_THAT(metrics, HasSubstr("mooring_collection_stopped{reason=\"integrity\"} 0"));
  EXPECT_THAT(metrics, HasSubstr("mooring_collection_adds_up 1"));
}

TEST_F(CollectionServiceTest, AStopIsShownRefusedAndClearedWithAReason) {
  InCatalog([](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(auto state, tx.collection().Get(storage::RowLock::kExclusive));
    state.stop_reason = "a planted one";
    state.stopped_at = absl::Now();
    return tx.collection().Put(state);
  });
  EXPECT_EQ(Status().stop_reason(), "a planted one");
  const absl::Status refused = Collect(false).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("a planted one"));
  ASSERT_TRUE(server().server().RefreshMetrics(ctx()).ok());
  EXPECT_THAT(server().server().metrics().Text(),
              HasSubstr("mooring_collection_stopped{reason=\"integrity\"} 1"));
  EXPECT_TRUE(absl::IsInvalidArgument(ClearStop("")));
  ASSERT_TRUE(ClearStop("looked at it").ok());
  EXPECT_THAT(AuditActions(), Contains("collection.clear-stop"));
  EXPECT_TRUE(Collect(false).ok());
}

TEST_F(CollectionServiceTest, OneServerCollectsAtATime) {
  InCatalog([](storage::Transaction& tx) -> absl::Status {
    return tx.collection().AcquireLease("collect", "another/1", absl::Hours(1)).status();
  });
  EXPECT_EQ(Status().collecting_on(), "another/1");
  const absl::Status refused = Collect(false).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_TRUE(Collect(true).ok());  // A plan needs no lease.
  InCatalog([](storage::Transaction& tx) {
    return tx.collection().ReleaseLease("collect", "another/1");
  });
  EXPECT_TRUE(Collect(false).ok());
}

TEST_F(CollectionServiceTest, AServerCollectsByItselfOnceAPeriod) {
  EXPECT_EQ(first_.generation(), 1u);
  ASSERT_TRUE(server().server().RunJobsOnce(ctx()).ok());
  EXPECT_EQ(Status().generation(), 1u);  // Not due again.
}

}  // namespace
}  // namespace mooring::testing
