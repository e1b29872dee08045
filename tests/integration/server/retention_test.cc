// Holds, pins, lowered retention, the pause and the pruner, through the RPCs.

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mooring/v1/retention.grpc.pb.h"
#include "proto/rpc_status.h"
#include "server/metrics/server_metrics.h"
#include "storage/catalog/prune_store.h"
#include "storage/catalog/sql.h"
#include "tests/integration/server/server_fixture.h"
#include "tests/integration/server/wire_backup.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kSerial[] = "00008120-000A1B2C3D4E001E";

// A call that is written down as its method, request and response.
template <typename Stub, typename Request, typename Response>
absl::Status Call(Stub& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response& response) {
  grpc::ClientContext context;
  return FromGrpcStatus((stub.*method)(&context, request, &response));
}

class RetentionServiceTest : public ServerFixture {
 protected:
  using Service = v1::RetentionService::Stub;

  void SetUp() override {
    TestServer::Options options;
    options.single_admin = false;
    SetUpServer(options);
    AddPerson("alice");
    agent_ = Enroll();
    control_ = std::make_unique<TestControl>(*agent_);
    ASSERT_TRUE(control_->hello().ok());
    ASSERT_TRUE(control_->Attach(kSerial).ok());
    ASSERT_TRUE(Assign(kSerial, "alice").ok());
    retention_ = v1::RetentionService::NewStub(admin().channel);
    second_ = std::make_unique<AdminStubs>(server().Admin(AddAccount("second")));
  }
  void TearDown() override {
    second_.reset();
    retention_.reset();
    control_.reset();
    ServerFixture::TearDown();
  }

  std::string Take(const Files& files) {
    const auto backup = BackUpOverWire(*agent_, kSerial, files, random());
    EXPECT_TRUE(backup.ok()) << backup.status();
    return backup.ok() ? backup->receipt.snapshot_id() : "";
  }
  // Some snapshots of the usual size; the oldest first.
  std::vector<std::string> TakeSome(int count) {
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i) {
      ids.push_back(Take({{"full/00/one", SyntheticContent(static_cast<std::uint64_t>(i), 50'000)},
                          {"full/00/two", SyntheticContent(9, 50'000)}}));
    }
    return ids;
  }

  absl::StatusOr<v1::ApplyPolicyResponse> Apply(std::uint32_t keep_last) {
    v1::ApplyPolicyRequest request;
    request.mutable_policy()->mutable_retention()->set_keep_last(keep_last);
    v1::ApplyPolicyResponse response;
    const absl::Status status =
        Call(*admin().policy, &v1::PolicyService::Stub::ApplyPolicy, request, response);
    if (!status.ok()) return status;
    return response;
  }
  absl::Status Approve(AdminStubs& stubs, const std::string& request_id) {
    v1::ApproveRequestRequest request;
    request.set_request_id(request_id);
    v1::ApproveRequestResponse response;
    return Call(*stubs.access, &v1::AccessService::Stub::ApproveRequest, request, response);
  }
  // Lowered as it has to be: by two.
  void KeepLast(std::uint32_t count) {
    const auto applied = Apply(count);
    ASSERT_TRUE(applied.ok()) << applied.status();
    if (!applied->request_id().empty()) {
      ASSERT_TRUE(Approve(*second_, applied->request_id()).ok());
    }
  }
  absl::StatusOr<v1::PruneRepositoryResponse> Prune(bool plan) {
    v1::PruneRepositoryRequest request;
    request.set_plan(plan);
    v1::PruneRepositoryResponse response;
    const absl::Status status =
        Call(*admin().repository, &v1::RepositoryService::Stub::PruneRepository, request, response);
    if (!status.ok()) return status;
    return response;
  }
  absl::StatusOr<v1::Hold> HoldDevice() {
    v1::CreateHoldRequest request;
    request.set_device(kSerial);
    request.set_reason("case 14");
    v1::CreateHoldResponse response;
    const absl::Status status = Call(*retention_, &Service::CreateHold, request, response);
    if (!status.ok()) return status;
    return response.hold();
  }
  absl::StatusOr<std::string> RequestDeletion(const std::string& snapshot) {
    v1::DeleteSnapshotRequest request;
    request.set_snapshot_id(snapshot);
    request.set_reason("wrong phone");
    v1::DeleteSnapshotResponse response;
    const absl::Status status =
        Call(*admin().fleet, &v1::FleetService::Stub::DeleteSnapshot, request, response);
    if (!status.ok()) return status;
    return response.request_id();
  }
  absl::Status Pin(const std::string& snapshot, bool remove) {
    v1::PinSnapshotRequest request;
    request.set_snapshot_id(snapshot);
    request.set_reason("before the update");
    request.set_remove(remove);
    v1::PinSnapshotResponse response;
    return Call(*retention_, &Service::PinSnapshot, request, response);
  }
  v1::Device GetDevice() {
    v1::GetDeviceRequest request;
    request.set_device(kSerial);
    v1::GetDeviceResponse response;
    EXPECT_TRUE(Call(*admin().fleet, &v1::FleetService::Stub::GetDevice, request, response).ok());
    return response.device();
  }

  std::unique_ptr<TestAgent> agent_;
  std::unique_ptr<TestControl> control_;
  std::unique_ptr<Service> retention_;
  std::unique_ptr<AdminStubs> second_;
};

TEST_F(RetentionServiceTest, LoweringRetentionNeedsASecondPerson) {
  KeepLast(5);  // Nothing is there to be lost: applied at once, though daily goes.
  TakeSome(3);
  const auto raised = Apply(6);
  ASSERT_TRUE(raised.ok()) << raised.status();
  EXPECT_EQ(raised->request_id(), "");
  const auto lowered = Apply(1);
  ASSERT_TRUE(lowered.ok()) << lowered.status();
  ASSERT_NE(lowered->request_id(), "");
  EXPECT_EQ(lowered->lowered(0), "keep_last from 6 to 1");
  EXPECT_EQ(lowered->policy().policy().retention().keep_last(), 6u) << "still in force";
  EXPECT_EQ(Prune(true)->dropped(), 0u);
  EXPECT_TRUE(absl::IsPermissionDenied(Approve(admin(), lowered->request_id())));
  ASSERT_TRUE(Approve(*second_, lowered->request_id()).ok());
  EXPECT_EQ(Prune(true)->dropped(), 2u);
  EXPECT_THAT(AuditActions(), Contains("policy.apply"));
}

TEST_F(RetentionServiceTest, AnApprovalIsOfWhatTheApproverSaw) {
  KeepLast(5);
  TakeSome(2);
  const auto lowered = Apply(1);
  ASSERT_TRUE(lowered.ok()) << lowered.status();
  ASSERT_TRUE(Apply(7).ok());
  const absl::Status late = Approve(*second_, lowered->request_id());
  EXPECT_TRUE(absl::IsFailedPrecondition(late)) << late;
  EXPECT_EQ(Prune(true)->dropped(), 0u);
}

TEST_F(RetentionServiceTest, APlanShowsWhatAPolicyWouldDrop) {
  KeepLast(5);
  const std::vector<std::string> ids = TakeSome(4);
  v1::PlanPolicyRequest request;
  request.mutable_policy()->mutable_retention()->set_keep_last(3);
  v1::PlanPolicyResponse plan;
  ASSERT_TRUE(Call(*retention_, &Service::PlanPolicy, request, plan).ok());
  EXPECT_EQ(plan.dropped_by_change(), 1u);
  EXPECT_TRUE(plan.needs_approval());
  ASSERT_EQ(plan.changed_size(), 1);
  EXPECT_EQ(plan.changed(0).changes(0).snapshot_id(), ids[0]);
  EXPECT_EQ(plan.changed(0).person_handle(), "alice");
  request.mutable_policy()->set_rpo("soon");
  EXPECT_TRUE(absl::IsInvalidArgument(Call(*retention_, &Service::PlanPolicy, request, plan)));

  v1::ExplainRetentionRequest explain;
  explain.set_device(kSerial);
  v1::ExplainRetentionResponse explained;
  ASSERT_TRUE(Call(*retention_, &Service::ExplainRetention, explain, explained).ok());
  EXPECT_EQ(explained.group(), "default");
  ASSERT_EQ(explained.snapshots_size(), 4);
  EXPECT_EQ(explained.snapshots(0).verdict().reasons(0).text(), "full keep_last 5");
  explain.Clear();
  explain.set_snapshot_id(ids[1]);
  ASSERT_TRUE(Call(*retention_, &Service::ExplainRetention, explain, explained).ok());
  ASSERT_EQ(explained.snapshots_size(), 1);
  EXPECT_EQ(explained.snapshots(0).snapshot().snapshot_id(), ids[1]);

  v1::SimulatePolicyRequest simulate;
  simulate.mutable_rules()->set_keep_last(3);
  v1::SimulatePolicyResponse simulated;
  ASSERT_TRUE(Call(*retention_, &Service::SimulatePolicy, simulate, simulated).ok());
  EXPECT_EQ(simulated.kept_max(), 3u);
}

TEST_F(RetentionServiceTest, AHeldSnapshotGoesNowhereUntilTwoReleaseIt) {
  KeepLast(5);
  const std::vector<std::string> ids = TakeSome(3);
  KeepLast(1);
  const auto asked_before = RequestDeletion(ids[0]);
  ASSERT_TRUE(asked_before.ok()) << asked_before.status();
  const auto hold = HoldDevice();
  ASSERT_TRUE(hold.ok()) << hold.status();
  EXPECT_EQ(hold->snapshot_count(), 3u);
  EXPECT_EQ(hold->serial(), kSerial);
  EXPECT_EQ(Prune(false)->dropped(), 0u);
  EXPECT_TRUE(absl::IsFailedPrecondition(RequestDeletion(ids[1]).status()));
  const absl::Status approved = Approve(*second_, *asked_before);
  EXPECT_TRUE(absl::IsFailedPrecondition(approved)) << approved;
  EXPECT_THAT(approved.ToString(), HasSubstr("on hold"));
  EXPECT_EQ(GetDevice().holds_size(), 1);

  v1::ReleaseHoldRequest request;
  request.set_hold_id(hold->id());
  request.set_reason("case closed");
  v1::ReleaseHoldResponse response;
  ASSERT_TRUE(Call(*retention_, &Service::ReleaseHold, request, response).ok());
  EXPECT_EQ(Prune(false)->dropped(), 0u) << "asked for, not approved";
  EXPECT_TRUE(absl::IsPermissionDenied(Approve(admin(), response.request_id())));
  ASSERT_TRUE(Approve(*second_, response.request_id()).ok());
  ASSERT_TRUE(Approve(*second_, *asked_before).ok()) << "it was still pending";
  EXPECT_EQ(Prune(false)->dropped(), 1u);
  v1::ListHoldsRequest list;
  list.set_all(true);
  v1::ListHoldsResponse holds;
  ASSERT_TRUE(Call(*retention_, &Service::ListHolds, list, holds).ok());
  ASSERT_EQ(holds.holds_size(), 1);
  EXPECT_EQ(holds.holds(0).released_by(), "second");
  for (const char* action : {"hold.create", "hold.release", "snapshot.delete_decided"}) {
    EXPECT_THAT(AuditActions(), Contains(action));
  }
}

TEST_F(RetentionServiceTest, AHoldIsOfOneThingAndHasAReason) {
  v1::CreateHoldRequest request;
  v1::CreateHoldResponse response;
  const auto create = [&] {
    return Call(*retention_, &Service::CreateHold, request, response).code();
  };
  request.set_device(kSerial);
  EXPECT_EQ(create(), absl::StatusCode::kInvalidArgument) << "no reason";
  request.set_reason("case 14");
  request.set_person_handle("alice");
  EXPECT_EQ(create(), absl::StatusCode::kInvalidArgument) << "two things";
  request.clear_device();
  request.set_person_handle("nobody");
  EXPECT_EQ(create(), absl::StatusCode::kNotFound);
  request.set_person_handle("alice");
  EXPECT_EQ(create(), absl::StatusCode::kOk);
}

TEST_F(RetentionServiceTest, APinKeepsItsSnapshot) {
  KeepLast(5);
  const std::vector<std::string> ids = TakeSome(3);
  KeepLast(1);
  ASSERT_TRUE(Pin(ids[0], false).ok());
  v1::GetSnapshotRequest request;
  request.set_snapshot_id(ids[0]);
  v1::GetSnapshotResponse response;
  ASSERT_TRUE(Call(*admin().fleet, &v1::FleetService::Stub::GetSnapshot, request, response).ok());
  EXPECT_EQ(response.snapshot().pin().reason(), "before the update");
  EXPECT_EQ(Prune(false)->dropped(), 1u);
  EXPECT_TRUE(absl::IsFailedPrecondition(RequestDeletion(ids[0]).status()));
  ASSERT_TRUE(Pin(ids[0], true).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Pin(ids[0], true))) << "there is none";
  EXPECT_EQ(Prune(false)->dropped(), 1u);
  EXPECT_TRUE(absl::IsNotFound(Pin(ids[0], false))) << "it is gone";
  EXPECT_THAT(AuditActions(), Contains("snapshot.unpin"));
}

TEST_F(RetentionServiceTest, AShrunkenPhoneIsPausedUntilAPersonAcceptsIt) {
  KeepLast(5);
  TakeSome(2);
  Take({{"full/00/one", "nothing left"}});
  KeepLast(1);
  const auto plan = Prune(true);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->dropped(), 0u);
  ASSERT_EQ(plan->pauses_size(), 1);
  EXPECT_EQ(plan->pauses(0).cause(), v1::PAUSE_CAUSE_SHRUNK);
  EXPECT_THAT(plan->marks(0).reasons(plan->marks(0).reasons_size() - 1),
              HasSubstr("pruning paused"));
  EXPECT_TRUE(GetDevice().has_pruning_pause());
  ASSERT_TRUE(Prune(false).ok());
  ASSERT_TRUE(server().server().RefreshMetrics(ctx()).ok());
  EXPECT_THAT(server().server().metrics().Text(),
              HasSubstr("mooring_pruning_paused_devices{cause=\"shrunk\"} 1"));

  v1::ResumePruningRequest request;
  request.set_device(kSerial);
  request.set_reason("old films deleted");
  v1::ResumePruningResponse response;
  ASSERT_TRUE(Call(*retention_, &Service::ResumePruning, request, response).ok());
  EXPECT_EQ(response.ended_size(), 1);
  EXPECT_FALSE(GetDevice().has_pruning_pause());
  EXPECT_EQ(Prune(false)->dropped(), 2u);
  ASSERT_TRUE(Call(*retention_, &Service::ResumePruning, request, response).ok());
  EXPECT_EQ(response.ended_size(), 0);
  EXPECT_THAT(AuditActions(), Contains("device.resume_pruning"));
}

TEST_F(RetentionServiceTest, ThePrunerRunsOnceADayAndItsRoundIsShown) {
  ASSERT_TRUE(server().server().RunJobsOnce(ctx()).ok());  // The first round, of nothing.
  KeepLast(5);
  TakeSome(3);
  KeepLast(1);
  ASSERT_TRUE(server().server().RunJobsOnce(ctx()).ok());
  EXPECT_EQ(Prune(true)->dropped(), 2u) << "not due";
  // A day passes for it.
  auto sql = storage::SqlSession::Connect(server().database_url());
  ASSERT_TRUE(sql.ok()) << sql.status();
  ASSERT_TRUE(
      (*sql)->Exec("UPDATE prune_state SET last_run_at = last_run_at - interval '25 hours'").ok());
  const absl::Status ran = server().server().RunJobsOnce(ctx());
  ASSERT_TRUE(ran.ok()) << ran;
  EXPECT_EQ(Prune(true)->dropped(), 0u);
  v1::GetServerStatusResponse status;
  ASSERT_TRUE(Call(*admin().fleet, &v1::FleetService::Stub::GetServerStatus,
                   v1::GetServerStatusRequest(), status)
                  .ok());
  EXPECT_EQ(status.pruning().dropped(), 2u);
  EXPECT_TRUE(status.pruning().has_last_run_at());
  EXPECT_THAT(server().server().metrics().Text(),
              HasSubstr("mooring_prune_snapshots{result=\"dropped\"} 2"));
}

TEST_F(RetentionServiceTest, NothingIsPrunedWhileTheClockIsNotTheDatabases) {
  KeepLast(5);
  TakeSome(3);
  KeepLast(1);
  server().clock().Advance(absl::Minutes(2));
  EXPECT_THAT(Prune(true)->refused(), HasSubstr("of this server and of PostgreSQL"));
  const auto refused = Prune(false);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("PostgreSQL"));
  server().clock().Advance(-absl::Minutes(2));
  EXPECT_EQ(Prune(false)->dropped(), 2u);
}

TEST_F(RetentionServiceTest, AfterARebuildNothingIsPrunedUntilTheHoldsAreConfirmed) {
  KeepLast(5);
  TakeSome(2);
  KeepLast(1);
  ASSERT_TRUE(catalog()
                  .Run(ctx(),
                       [](storage::Transaction& tx) {
                         return tx.prunes().SetStopped("the catalog was rebuilt");
                       })
                  .ok());
  EXPECT_THAT(Prune(true)->refused(), HasSubstr("rebuilt"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Prune(false).status()));
  v1::ConfirmHoldsRequest request;
  request.set_reason("compared with the register");
  v1::ConfirmHoldsResponse response;
  ASSERT_TRUE(Call(*retention_, &Service::ConfirmHolds, request, response).ok());
  EXPECT_FALSE(response.unchanged());
  EXPECT_EQ(Prune(false)->dropped(), 1u);
  ASSERT_TRUE(Call(*retention_, &Service::ConfirmHolds, request, response).ok());
  EXPECT_TRUE(response.unchanged());
}

}  // namespace
}  // namespace mooring::testing
