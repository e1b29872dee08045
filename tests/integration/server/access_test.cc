// Requests, approvals and grants; and that nobody gets in without a token.

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include "proto/rpc_status.h"
#include "server/auth/permissions.h"
#include "tests/integration/server/server_fixture.h"
#include "tests/integration/server/wire_backup.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kSerial[] = "00008120-000A1B2C3D4E001E";

// Calls any unary or streaming method with an empty request.
grpc::Status CallEmpty(const std::shared_ptr<grpc::Channel>& channel, const std::string& path) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const grpc::Slice nothing;  // The serialized form of an empty message.
  const auto call = stub.PrepareUnaryCall(&context, path, grpc::ByteBuffer(&nothing, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  return status;
}

class AccessTest : public ServerFixture {
 protected:
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
    const auto backup = BackUpOverWire(*agent_, kSerial, files_, random());
    ASSERT_TRUE(backup.ok()) << backup.status();
    snapshot_ = backup->receipt.snapshot_id();
  }
  void TearDown() override {
    control_.reset();
    ServerFixture::TearDown();
  }

  absl::Status Approve(AdminStubs& stubs, const std::string& request_id) {
    grpc::ClientContext context;
    v1::ApproveRequestRequest request;
    request.set_request_id(request_id);
    v1::ApproveRequestResponse response;
    return FromGrpcStatus(stubs.access->ApproveRequest(&context, request, &response));
  }

  std::string RequestExport() {
    grpc::ClientContext context;
    v1::CreateExportRequest request;
    request.set_snapshot_id(snapshot_);
    request.set_reason("legal");
    v1::CreateExportResponse response;
    EXPECT_TRUE(admin().access->CreateExport(&context, request, &response).ok());
    return response.request().id();
  }

  absl::StatusOr<std::string> Redeem(AdminStubs& stubs, const std::string& request_id) {
    grpc::ClientContext context;
    v1::RedeemExportRequest request;
    request.set_request_id(request_id);
    v1::RedeemExportResponse response;
    const absl::Status status =
        FromGrpcStatus(stubs.access->RedeemExport(&context, request, &response));
    if (!status.ok()) return status;
    return response.grant_code();
  }

  std::unique_ptr<TestAgent> agent_;
  std::unique_ptr<TestControl> control_;
  std::string snapshot_;
  const Files files_ = {{"full/00/one", SyntheticContent(1, 100'000)}};
};

TEST_F(AccessTest, NoMethodIsOpenWithoutAToken) {
  const auto permissions = server::PermissionTable::Read(server::ServiceNames());
  ASSERT_TRUE(permissions.ok());
  const auto stranger = server().Admin("");
  int served = 0;
  for (const auto& [method, permission] : permissions->all()) {
    std::string path = "/" + method;
    path[path.rfind('.')] = '/';
    const grpc::Status status = CallEmpty(stranger.channel, path);
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) continue;  // Of the other port.
    ++served;
    if (permission == v1::PERMISSION_PUBLIC) {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
    } else {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << method;
    }
  }
  EXPECT_GT(served, 30);
}

TEST_F(AccessTest, ATokenOpensWhatItsPermissionsSayAndNoMore) {
  const auto stranger = server().Admin("mk_unknown");
  EXPECT_EQ(CallEmpty(stranger.channel, "/mooring.v1.FleetService/ListAgents").error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  const auto malformed = server().Admin("something else");
  EXPECT_EQ(CallEmpty(malformed.channel, "/mooring.v1.FleetService/ListAgents").error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  server().clock().Advance(absl::Hours(24 * 31));
  const grpc::Status expired = CallEmpty(admin().channel, "/mooring.v1.FleetService/ListAgents");
  EXPECT_EQ(expired.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(expired.error_message(), HasSubstr("expired"));
}

TEST_F(AccessTest, AnExportTakesTwoPeopleAndItsCodeIsGivenOnce) {
  auto second = server().Admin(AddAccount("second"));
  const std::string request = RequestExport();
  EXPECT_EQ(Redeem(admin(), request).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Approve(admin(), request).code(), absl::StatusCode::kPermissionDenied);
  ASSERT_TRUE(Approve(second, request).ok());
  // Exactly once.
  EXPECT_EQ(Approve(second, request).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Redeem(second, request).status().code(), absl::StatusCode::kPermissionDenied);
  const auto code = Redeem(admin(), request);
  ASSERT_TRUE(code.ok()) << code.status();
  EXPECT_EQ(Redeem(admin(), request).status().code(), absl::StatusCode::kFailedPrecondition);

  const auto hpke = storage::MakeHpkeKeyPair(random());
  ASSERT_TRUE(hpke.ok());
  // Neither another account nor an agent may use it.
  EXPECT_EQ(ReadOverWire(*second.restore, *hpke, *code, "").status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ReadOverWire(agent_->restore(), agent_->hpke(), *code, "").status().code(),
            absl::StatusCode::kPermissionDenied);
  const auto files = ReadOverWire(*admin().restore, *hpke, *code, "");
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(*files, files_);
  EXPECT_THAT(AuditActions(), Contains("export.finish"));
}

TEST_F(AccessTest, AnOpenedGrantIsBoundToItsKey) {
  auto second = server().Admin(AddAccount("second"));
  const std::string request = RequestExport();
  ASSERT_TRUE(Approve(second, request).ok());
  const auto code = Redeem(admin(), request);
  ASSERT_TRUE(code.ok());
  const auto open = [&](const std::string& key) {
    grpc::ClientContext context;
    v1::OpenSnapshotRequest open_request;
    open_request.set_grant_code(*code);
    open_request.set_hpke_public_key(key);
    v1::OpenSnapshotResponse response;
    return FromGrpcStatus(admin().restore->OpenSnapshot(&context, open_request, &response));
  };
  const auto one = storage::MakeHpkeKeyPair(random());
  const auto two = storage::MakeHpkeKeyPair(random());
  EXPECT_TRUE(open(ToString(one->public_key)).ok());
  EXPECT_TRUE(open(ToString(one->public_key)).ok());
  EXPECT_EQ(open(ToString(two->public_key)).code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(AccessTest, DeletionHappensOnApprovalAndNotBefore) {
  auto second = server().Admin(AddAccount("second"));
  grpc::ClientContext context;
  v1::DeleteSnapshotRequest request;
  request.set_snapshot_id(snapshot_);
  v1::DeleteSnapshotResponse response;
  EXPECT_EQ(admin().fleet->DeleteSnapshot(&context, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);  // Without a reason.
  request.set_reason("asked by its owner");
  grpc::ClientContext again;
  ASSERT_TRUE(admin().fleet->DeleteSnapshot(&again, request, &response).ok());
  const auto count = [&] {
    grpc::ClientContext list_context;
    v1::ListSnapshotsResponse list;
    EXPECT_TRUE(admin().fleet->ListSnapshots(&list_context, {}, &list).ok());
    return list.snapshots_size();
  };
  EXPECT_EQ(count(), 1);
  ASSERT_TRUE(Approve(second, response.request_id()).ok());
  EXPECT_EQ(count(), 0);
}

TEST_F(AccessTest, RequestsExpireAfterADay) {
  auto second = server().Admin(AddAccount("second"));
  const std::string request = RequestExport();
  server().clock().Advance(absl::Hours(25));
  ASSERT_TRUE(server()
                  .server()
                  .RunJobsOnce({.deadline = server().clock().Now() + absl::Minutes(1), .stop = {}})
                  .ok());
  EXPECT_EQ(Approve(second, request).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(AuditActions(), Contains("request.expire"));
}

TEST_F(AccessTest, ADeniedRestoreStaysDenied) {
  grpc::ClientContext create_context;
  v1::CreateRestoreRequest create;
  create.set_from_device(kSerial);
  create.set_to_serial(kSerial);
  create.set_reason("new phone");
  v1::CreateRestoreResponse created;
  ASSERT_TRUE(admin().access->CreateRestore(&create_context, create, &created).ok());
  grpc::ClientContext deny_context;
  v1::DenyRequestRequest deny;
  deny.set_request_id(created.request().id());
  deny.set_reason("no");
  v1::DenyRequestResponse denied;
  ASSERT_TRUE(admin().access->DenyRequest(&deny_context, deny, &denied).ok());
  grpc::ClientContext get_context;
  v1::GetRestoreRequest get;
  get.set_restore_id(created.restore_id());
  v1::GetRestoreResponse got;
  ASSERT_TRUE(admin().access->GetRestore(&get_context, get, &got).ok());
  EXPECT_EQ(got.restore().state(), v1::RESTORE_STATE_DENIED);
}

TEST_F(AccessTest, ARestoreThatWaitsForItsPhoneIsOrderedWhenThatComes) {
  auto second = server().Admin(AddAccount("second"));
  ASSERT_TRUE(control_->Attach("NEW-PHONE").ok());
  v1::ControlRequest detach;
  detach.set_device_detached("NEW-PHONE");
  control_->Send(detach);
  grpc::ClientContext create_context;
  v1::CreateRestoreRequest create;
  create.set_from_device(kSerial);
  create.set_to_serial("NEW-PHONE");
  create.set_reason("lost");
  v1::CreateRestoreResponse created;
  ASSERT_TRUE(admin().access->CreateRestore(&create_context, create, &created).ok());
  ASSERT_TRUE(Approve(second, created.request().id()).ok());
  grpc::ClientContext get_context;
  v1::GetRestoreRequest get;
  get.set_restore_id(created.restore_id());
  v1::GetRestoreResponse got;
  ASSERT_TRUE(admin().access->GetRestore(&get_context, get, &got).ok());
  EXPECT_EQ(got.restore().state(), v1::RESTORE_STATE_WAITING_FOR_DEVICE);
  EXPECT_NE(got.grant_code(), "");
  grpc::ClientContext other_context;
  v1::GetRestoreResponse others;
  ASSERT_TRUE(second.access->GetRestore(&other_context, get, &others).ok());
  EXPECT_EQ(others.grant_code(), "");
  ASSERT_TRUE(control_->Attach("NEW-PHONE").ok());
  const auto order = control_->Next(v1::ControlResponse::kStartRestore);
  ASSERT_TRUE(order.ok());
  EXPECT_EQ(order->start_restore().grant_code(), got.grant_code());
  const auto files = ReadOverWire(agent_->restore(), agent_->hpke(), got.grant_code(), "NEW-PHONE");
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(*files, files_);
}

TEST_F(AccessTest, BadPoliciesAreRefusedWithTheReason) {
  const auto apply = [&](const v1::Policy& policy) {
    grpc::ClientContext context;
    v1::ApplyPolicyRequest request;
    *request.mutable_policy() = policy;
    v1::ApplyPolicyResponse response;
    return FromGrpcStatus(admin().policy->ApplyPolicy(&context, request, &response));
  };
  v1::Policy policy;
  policy.set_rpo("soon");
  EXPECT_THAT(std::string(apply(policy).message()), HasSubstr("rpo"));
  policy.set_rpo("24h");
  // At least what is kept already: nothing that another person has to approve.
  policy.mutable_retention()->set_keep_last(5);
  policy.mutable_retention()->set_daily(7);
  policy.mutable_retention()->set_weekly(4);
  policy.mutable_retention()->set_monthly(6);
  EXPECT_TRUE(apply(policy).ok());
  policy.set_custody(v1::CUSTODY_SEALED);
  EXPECT_EQ(apply(policy).code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(AuditActions(), Contains("policy.apply"));
}

}  // namespace
}  // namespace mooring::testing
