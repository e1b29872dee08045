// A backup through the RPCs, as an agent makes one; and all that may stop it.

#include <atomic>
#include <thread>

#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/rpc_status.h"
#include "storage/seal/sealed_chunk.h"
#include "tests/integration/server/server_fixture.h"
#include "tests/integration/server/wire_backup.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kSerial[] = "00008120-000A1B2C3D4E001E";

class BackupTest : public ServerFixture {
 protected:
  void SetUp() override {
    TestServer::Options options;
    options.upload_idle = absl::Milliseconds(200);
    options.limits = limits_;
    SetUpServer(options);
    AddPerson("alice");
    AddPerson("bob");
    agent_ = Enroll("desk-1");
    ASSERT_NE(agent_, nullptr);
  }

  // Plugs the phone in and binds it.
  std::unique_ptr<TestControl> AttachAndAssign(const std::string& serial = kSerial) {
    auto control = std::make_unique<TestControl>(*agent_);
    EXPECT_TRUE(control->hello().ok());
    EXPECT_TRUE(control->Attach(serial).ok());
    const absl::Status assigned = Assign(serial, "alice");
    EXPECT_TRUE(assigned.ok()) << assigned;
    return control;
  }

  config::v1::Limits limits_;
  std::unique_ptr<TestAgent> agent_;
  const Files files_ = {{"full/00/one", SyntheticContent(1, 300'000)},
                        {"full/00/two", "short"},
                        {"apps/com.example/base.apk", SyntheticContent(2, 70'000)}};
};

TEST_F(BackupTest, AnUnboundPhoneIsNotRead) {
  const auto begun = agent_->Begin(kSerial, std::string(16, 'k'));
  EXPECT_EQ(begun.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorDetailOf(begun.status())->cause(), v1::CAUSE_NOT_ASSIGNED);
}

TEST_F(BackupTest, StandingFollowsThePhonesAssignment) {
  TestControl control(*agent_);
  ASSERT_TRUE(control.hello().ok());
  const auto unassigned = control.Attach(kSerial);
  ASSERT_TRUE(unassigned.ok());
  EXPECT_FALSE(unassigned->assigned());
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  const auto standing = control.Next(v1::ControlResponse::kStanding);
  ASSERT_TRUE(standing.ok());
  EXPECT_TRUE(standing->standing().assigned());
  EXPECT_TRUE(standing->standing().due());
  EXPECT_FALSE(standing->standing().admitted());
  EXPECT_EQ(standing->standing().person(), "alice");
}

TEST_F(BackupTest, FullThenIncrementalThenRestoredBitExact) {
  const auto control = AttachAndAssign();
  const auto first = BackUpOverWire(*agent_, kSerial, files_, random());
  ASSERT_TRUE(first.ok()) << first.status();
  const auto standing = control->Next(v1::ControlResponse::kStanding);
  ASSERT_TRUE(standing.ok());

  Files changed = files_;
  changed["full/00/two"] = "changed";
  const auto second = BackUpOverWire(*agent_, kSerial, changed, random());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(second->incremental);
  EXPECT_EQ(second->receipt.sequence(), first->receipt.sequence() + 1);
  EXPECT_LT(second->receipt.stored_bytes(), 100'000U);

  // Restored to a second phone, under a grant that the order carries.
  ASSERT_TRUE(control->Attach("SECOND-PHONE").ok());
  grpc::ClientContext create_context;
  v1::CreateRestoreRequest create;
  create.set_from_device(kSerial);
  create.set_to_serial("SECOND-PHONE");
  create.set_reason("lost phone");
  v1::CreateRestoreResponse created;
  auto status = admin().access->CreateRestore(&create_context, create, &created);
  ASSERT_TRUE(status.ok()) << status.error_message();
  grpc::ClientContext approve_context;
  v1::ApproveRequestRequest approve;
  approve.set_request_id(created.request().id());
  v1::ApproveRequestResponse approved;
  status = admin().access->ApproveRequest(&approve_context, approve, &approved);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const auto order = control->Next(v1::ControlResponse::kStartRestore);
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->start_restore().restore_id(), created.restore_id());
  const auto restored = ReadOverWire(agent_->restore(), agent_->hpke(),
                                     order->start_restore().grant_code(), "SECOND-PHONE");
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(*restored, changed);

  grpc::ClientContext get_context;
  v1::GetRestoreRequest get;
  get.set_restore_id(created.restore_id());
  v1::GetRestoreResponse got;
  ASSERT_TRUE(admin().access->GetRestore(&get_context, get, &got).ok());
  EXPECT_EQ(got.restore().state(), v1::RESTORE_STATE_SUCCEEDED);
  EXPECT_EQ(got.grant_code(), "");
  // A grant that is closed opens nothing.
  EXPECT_FALSE(ReadOverWire(agent_->restore(), agent_->hpke(), order->start_restore().grant_code(),
                            "SECOND-PHONE")
                   .ok());
  const auto actions = AuditActions();
  for (const char* action : {"device.assign", "request.create", "request.approve", "grant.code",
                             "snapshot.open", "restore.finish"}) {
    EXPECT_THAT(actions, Contains(action));
  }
}

TEST_F(BackupTest, TheSameKeyIsTheSameSession) {
  const auto control = AttachAndAssign();
  const std::string key(16, 'q');
  const auto one = agent_->Begin(kSerial, key);
  const auto two = agent_->Begin(kSerial, key);
  ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
  EXPECT_EQ(one->granted().session_id(), two->granted().session_id());
}

TEST_F(BackupTest, AnAcknowledgmentComesWhenTheStreamIsIdle) {
  const auto control = AttachAndAssign();
  const auto session = agent_->BeginAndOpen(kSerial);
  ASSERT_TRUE(session.ok()) << session.status();
  SystemClock clock;
  const auto tree = SealFiles(*session, files_, clock, random());
  ASSERT_TRUE(tree.ok());
  grpc::ClientContext context;
  auto stream = agent_->backup().UploadChunks(&context);
  v1::UploadChunksRequest request;
  request.set_session_id(session->session.bytes());
  request.set_domain_id(tree->chunks[0].domain.bytes());
  request.add_chunks(ToString(tree->chunks[0].chunk.bytes));
  ASSERT_TRUE(stream->Write(request));
  // Nothing more is sent, and no flush asked for.
  v1::UploadChunksResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.durable_count(), 1U);
  stream->WritesDone();
  while (stream->Read(&response)) {
  }
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(BackupTest, AnAcknowledgmentComesOnASlowLineThatIsNeverIdle) {
  const auto control = AttachAndAssign();
  const auto session = agent_->BeginAndOpen(kSerial);
  ASSERT_TRUE(session.ok()) << session.status();
  SystemClock clock;
  const auto tree = SealFiles(*session, files_, clock, random());
  ASSERT_TRUE(tree.ok());
  grpc::ClientContext context;
  auto stream = agent_->backup().UploadChunks(&context);
  v1::UploadChunksRequest request;
  request.set_session_id(session->session.bytes());
  request.set_domain_id(tree->chunks[0].domain.bytes());
  request.add_chunks(ToString(tree->chunks[0].chunk.bytes));
  std::atomic<bool> is_acknowledged = false;
  // More often than the stream would be idle.
  std::jthread sender([&] {
    while (!is_acknowledged && stream->Write(request)) absl::SleepFor(absl::Milliseconds(50));
    stream->WritesDone();
  });
  v1::UploadChunksResponse response;
  EXPECT_TRUE(stream->Read(&response));
  is_acknowledged = true;
  EXPECT_GE(response.durable_count(), 1U);
  sender.join();
  while (stream->Read(&response)) {
  }
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(BackupTest, ARevokedAgentsUploadIsAcknowledgedNothingMoreAndEnds) {
  const auto control = AttachAndAssign();
  const auto session = agent_->BeginAndOpen(kSerial);
  ASSERT_TRUE(session.ok()) << session.status();
  SystemClock clock;
  const auto tree = SealFiles(*session, files_, clock, random());
  ASSERT_TRUE(tree.ok());
  grpc::ClientContext context;
  auto stream = agent_->backup().UploadChunks(&context);
  v1::UploadChunksRequest request;
  request.set_session_id(session->session.bytes());
  request.set_domain_id(tree->chunks[0].domain.bytes());
  request.add_chunks(ToString(tree->chunks[0].chunk.bytes));
  request.set_flush(true);
  ASSERT_TRUE(stream->Write(request));
  v1::UploadChunksResponse response;
  ASSERT_TRUE(stream->Read(&response));

  grpc::ClientContext revoke_context;
  v1::RevokeAgentRequest revoke;
  revoke.set_agent_id(agent_->id().bytes());
  revoke.set_reason("stolen");
  v1::RevokeAgentResponse revoked;
  ASSERT_TRUE(admin().fleet->RevokeAgent(&revoke_context, revoke, &revoked).ok());
  // It says nothing, and its call was authenticated long ago.
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_FALSE(stream->Finish().ok());
  EXPECT_FALSE(FinishOverWire(*agent_, *session, *tree).ok());
}

TEST_F(BackupTest, NothingButSealedChunksOfTheOwnDomainsIsTaken) {
  const auto control = AttachAndAssign();
  const auto session = agent_->BeginAndOpen(kSerial);
  ASSERT_TRUE(session.ok());
  for (const std::string& bad : {std::string("plain text"), std::string(40, '\0')}) {
    grpc::ClientContext context;
    auto stream = agent_->backup().UploadChunks(&context);
    v1::UploadChunksRequest request;
    request.set_session_id(session->session.bytes());
    request.set_domain_id(session->person_domain.id.bytes());
    request.add_chunks(bad);
    request.set_flush(true);
    stream->Write(request);
    v1::UploadChunksResponse response;
    EXPECT_FALSE(stream->Read(&response));
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(BackupTest, OtherAgentsCanDoNothingWithASession) {
  const auto control = AttachAndAssign();
  const auto session = agent_->BeginAndOpen(kSerial);
  ASSERT_TRUE(session.ok());
  const auto other = Enroll("desk-2");
  grpc::ClientContext find_context;
  v1::FindChunksRequest find;
  find.set_session_id(session->session.bytes());
  find.set_domain_id(session->person_domain.id.bytes());
  v1::FindChunksResponse found;
  EXPECT_EQ(other->backup().FindChunks(&find_context, find, &found).error_code(),
            grpc::StatusCode::NOT_FOUND);
  grpc::ClientContext abort_context;
  v1::AbortBackupRequest abort;
  abort.set_session_id(session->session.bytes());
  v1::AbortBackupResponse aborted;
  EXPECT_EQ(other->backup().AbortBackup(&abort_context, abort, &aborted).error_code(),
            grpc::StatusCode::NOT_FOUND);
  grpc::ClientContext upload_context;
  auto stream = other->backup().UploadChunks(&upload_context);
  v1::UploadChunksRequest upload;
  upload.set_session_id(session->session.bytes());
  stream->Write(upload);
  v1::UploadChunksResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_FALSE(stream->Finish().ok());
}

TEST_F(BackupTest, ThereIsNoExistenceOracleBetweenPeople) {
  const auto control = AttachAndAssign();
  ASSERT_TRUE(BackUpOverWire(*agent_, kSerial, files_, random()).ok());
  // Bob's phone at the same agent: the organization's domain is shared, his
  // ownership is not.
  ASSERT_TRUE(control->Attach("BOBS-PHONE").ok());
  ASSERT_TRUE(Assign("BOBS-PHONE", "bob").ok());
  const auto bobs = agent_->BeginAndOpen("BOBS-PHONE");
  ASSERT_TRUE(bobs.ok()) << bobs.status();
  SystemClock clock;
  const auto tree = SealFiles(*bobs, {{"apps/com.example/base.apk", SyntheticContent(2, 70'000)}},
                              clock, random());
  ASSERT_TRUE(tree.ok());
  int asked = 0;
  for (const SealedForDomain& chunk : tree->chunks) {
    if (chunk.domain != bobs->organization_domain.id) continue;
    grpc::ClientContext context;
    v1::FindChunksRequest find;
    find.set_session_id(bobs->session.bytes());
    find.set_domain_id(chunk.domain.bytes());
    find.add_ids(chunk.chunk.id.bytes());
    v1::FindChunksResponse found;
    ASSERT_TRUE(agent_->backup().FindChunks(&context, find, &found).ok());
    EXPECT_EQ(found.present(), std::string(1, '\0'));
    ++asked;
  }
  EXPECT_GT(asked, 0);
}

TEST_F(BackupTest, TheEarlierOwnersSnapshotsAreNeitherListedNorRestored) {
  const auto control = AttachAndAssign();
  const auto backup = BackUpOverWire(*agent_, kSerial, files_, random());
  ASSERT_TRUE(backup.ok());
  ASSERT_TRUE(Assign(kSerial, "bob").ok());
  grpc::ClientContext list_context;
  v1::ListSnapshotsRequest list;
  list.set_device(kSerial);
  v1::ListSnapshotsResponse listed;
  ASSERT_TRUE(admin().fleet->ListSnapshots(&list_context, list, &listed).ok());
  EXPECT_EQ(listed.snapshots_size(), 0);
  grpc::ClientContext person_context;
  v1::ListSnapshotsRequest of_person;
  of_person.set_person_handle("alice");
  v1::ListSnapshotsResponse alices;
  ASSERT_TRUE(admin().fleet->ListSnapshots(&person_context, of_person, &alices).ok());
  EXPECT_EQ(alices.snapshots_size(), 1);
  for (const std::string& snapshot : {std::string(), backup->receipt.snapshot_id()}) {
    grpc::ClientContext context;
    v1::CreateRestoreRequest create;
    create.set_from_device(kSerial);
    create.set_snapshot_id(snapshot);
    create.set_to_serial(kSerial);
    create.set_reason("curious");
    v1::CreateRestoreResponse created;
    EXPECT_FALSE(admin().access->CreateRestore(&context, create, &created).ok());
  }
  // Bob's first backup starts from nothing.
  const auto bobs = BackUpOverWire(*agent_, kSerial, files_, random());
  ASSERT_TRUE(bobs.ok()) << bobs.status();
  EXPECT_FALSE(bobs->incremental);
}

TEST_F(BackupTest, AnAgentThatIsNotAdmittedGetsNoBase) {
  const auto control = AttachAndAssign();
  ASSERT_TRUE(BackUpOverWire(*agent_, kSerial, files_, random()).ok());
  const auto other = Enroll("desk-2");
  const auto there = BackUpOverWire(*other, kSerial, files_, random());
  ASSERT_TRUE(there.ok()) << there.status();
  EXPECT_FALSE(there->incremental);
  ASSERT_TRUE(Admit(kSerial, other->id()).ok());
  const auto again = BackUpOverWire(*other, kSerial, files_, random());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->incremental);
}

TEST_F(BackupTest, ADrainMakesDurableWhatHasComeAndASessionGoesOnAfterARestart) {
  auto control = AttachAndAssign();
  const auto session = agent_->BeginAndOpen(kSerial);
  ASSERT_TRUE(session.ok());
  SystemClock clock;
  const auto tree = SealFiles(*session, files_, clock, random());
  ASSERT_TRUE(tree.ok());
  {
    grpc::ClientContext context;
    auto stream = agent_->backup().UploadChunks(&context);
    v1::UploadChunksRequest request;
    request.set_session_id(session->session.bytes());
    request.set_domain_id(tree->chunks[0].domain.bytes());
    request.add_chunks(ToString(tree->chunks[0].chunk.bytes));
    request.set_flush(true);
    ASSERT_TRUE(stream->Write(request));
    v1::UploadChunksResponse response;
    ASSERT_TRUE(stream->Read(&response));
    std::jthread stopper([&] { server().Stop(); });
    while (stream->Read(&response)) {
    }
    EXPECT_FALSE(stream->Finish().ok());
  }
  EXPECT_EQ(control->Finish().code(), absl::StatusCode::kUnavailable);
  const absl::Status started = server().Start();
  ASSERT_TRUE(started.ok()) << started;
  // Same ports, same session; the slot is still its own.
  const auto finished = FinishOverWire(*agent_, *session, *tree);
  ASSERT_TRUE(finished.ok()) << finished.status();
}

TEST_F(BackupTest, MetricsSayWhatTheReportSays) {
  const auto control = AttachAndAssign();
  ASSERT_TRUE(BackUpOverWire(*agent_, kSerial, files_, random()).ok());
  ASSERT_TRUE(control->Attach("NEVER").ok());
  ASSERT_TRUE(Assign("NEVER", "alice").ok());
  ASSERT_TRUE(control->Attach("NOBODYS").ok());
  const absl::Status refreshed = server().server().RefreshMetrics(ctx());
  ASSERT_TRUE(refreshed.ok()) << refreshed;
  grpc::ClientContext context;
  v1::GetComplianceReportResponse report;
  ASSERT_TRUE(admin().report->GetComplianceReport(&context, {}, &report).ok());
  EXPECT_EQ(report.compliant(), 1U);
  EXPECT_EQ(report.never_backed_up(), 1U);
  EXPECT_EQ(report.people_without_device(), 1U);
  EXPECT_EQ(report.unassigned(), 1U);
  EXPECT_NEAR(report.share(), 1.0 / 3, 1e-9);
  const std::string text = server().server().metrics().Text();
  for (const char* line :
       {"mooring_devices{state=\"compliant\",platform=\"ios\"} 1\n",
        "mooring_devices{state=\"never_backed_up\",platform=\"ios\"} 1\n",
        "mooring_devices{state=\"unassigned\",platform=\"ios\"} 1\n",
        "mooring_devices_overdue{group=\"default\",cause=\"never_connected\"} 1\n",
        "mooring_people_without_device{group=\"default\"} 1\n",
        "mooring_last_success_age_seconds_count 1\n", "mooring_snapshots 1\n", "mooring_people 2\n",
        "mooring_agents{state=\"online\"} 1\n", "mooring_snapshots_committed_total 1\n",
        "mooring_sessions_max 50\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, HasSubstr("mooring_rpo_attainment_ratio{group=\"default\"} 0.3333"));
  EXPECT_EQ(text.find(kSerial), std::string::npos);
}

TEST_F(BackupTest, ASessionThatIsSilentEndsAndGivesItsSlotBack) {
  const auto control = AttachAndAssign();
  ASSERT_TRUE(agent_->BeginAndOpen(kSerial).ok());
  server().clock().Advance(absl::Hours(1));
  ASSERT_TRUE(server()
                  .server()
                  .RunJobsOnce({.deadline = server().clock().Now() + absl::Minutes(1), .stop = {}})
                  .ok());
  grpc::ClientContext context;
  v1::ListSessionsResponse sessions;
  ASSERT_TRUE(admin().fleet->ListSessions(&context, {}, &sessions).ok());
  ASSERT_EQ(sessions.sessions_size(), 1);
  EXPECT_EQ(sessions.sessions(0).state(), v1::SESSION_STATE_EXPIRED);
  const auto cancelled = control->Next(v1::ControlResponse::kCancelSession);
  EXPECT_TRUE(cancelled.ok()) << cancelled.status();
}

class FullStoreTest : public BackupTest {
 protected:
  // No disk has so much: the store is at its reserve from the start.
  FullStoreTest() { limits_.set_store_reserve_bytes(std::uint64_t{1} << 60); }
};

TEST_F(FullStoreTest, BackupsAreRefusedBeforeAnythingIsAsked) {
  const auto control = AttachAndAssign();
  const auto begun = agent_->Begin(kSerial, std::string(16, 'k'));
  EXPECT_EQ(begun.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorDetailOf(begun.status())->cause(), v1::CAUSE_SERVER_FULL);
  grpc::ClientContext context;
  v1::GetDeviceRequest request;
  request.set_device(kSerial);
  v1::GetDeviceResponse response;
  ASSERT_TRUE(admin().fleet->GetDevice(&context, request, &response).ok());
  EXPECT_EQ(response.device().last_cause(), v1::CAUSE_SERVER_FULL);
}

TEST_F(BackupTest, RestoreAndDeletionGoOnWhenTheStoreIsFull) {
  auto control = AttachAndAssign();
  const auto backup = BackUpOverWire(*agent_, kSerial, files_, random());
  ASSERT_TRUE(backup.ok());
  control.reset();
  server().Stop();
  server().limits().set_store_reserve_bytes(std::uint64_t{1} << 60);
  ASSERT_TRUE(server().Start().ok());
  EXPECT_EQ(ErrorDetailOf(agent_->Begin(kSerial, std::string(16, 'r')).status())->cause(),
            v1::CAUSE_SERVER_FULL);
  const auto exported = ExportOverWire(admin(), backup->receipt.snapshot_id(), random());
  ASSERT_TRUE(exported.ok()) << exported.status();
  EXPECT_EQ(*exported, files_);
  grpc::ClientContext delete_context;
  v1::DeleteSnapshotRequest request;
  request.set_snapshot_id(backup->receipt.snapshot_id());
  request.set_reason("room");
  v1::DeleteSnapshotResponse deletion;
  ASSERT_TRUE(admin().fleet->DeleteSnapshot(&delete_context, request, &deletion).ok());
  grpc::ClientContext approve_context;
  v1::ApproveRequestRequest approve;
  approve.set_request_id(deletion.request_id());
  v1::ApproveRequestResponse approved;
  const auto status = admin().access->ApproveRequest(&approve_context, approve, &approved);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

}  // namespace
}  // namespace mooring::testing
