// Two servers of one organization: how the second one joins, and that it makes no
// difference at which of them an agent or an administrator is.

#include <algorithm>
#include <iostream>
#include <utility>

#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/invitation_token.h"
#include "proto/rpc_status.h"
#include "storage/base/status.h"
#include "storage/seal/key_ring.h"
#include "tests/integration/server/server_fixture.h"
#include "tests/integration/server/wire_backup.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr char kSerial[] = "00008120-000A1B2C3D4E001E";
constexpr char kSpare[] = "00008120-000A1B2C3D4E002F";

template <typename Predicate>
bool Eventually(Predicate ready) {
  const absl::Time until = absl::Now() + absl::Seconds(30);
  while (!ready()) {
    if (absl::Now() > until) return false;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return true;
}

class JoinTest : public ServerFixture {
 protected:
  using Words = TestServer::JoinWords;

  // That join refuses, with which code and saying what, and leaves no server behind.
  void ExpectRefused(absl::StatusCode code, const std::string& says,
                     const std::function<void(Words&)>& change) {
    const absl::Status refused = second_.Join(server(), change);
    EXPECT_EQ(refused.code(), code) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr(says));
    EXPECT_FALSE(RealFileSystem().Stat(second_.dir().config()).ok());
    EXPECT_FALSE(RealFileSystem().Stat(second_.dir().kek()).ok());
    EXPECT_FALSE(RealFileSystem().Stat(second_.dir().ca_key()).ok());
  }

  TempDir temp_;
  TestServer second_;
};

TEST_F(JoinTest, WhatIsNotTheOrganizationsIsRefused) {
  SystemRandom random;
  const std::string other_kek = temp_.path() + "/kek";
  ASSERT_TRUE(storage::FileKekProvider::Create(RealFileSystem(), random, other_kek).ok());
  ExpectRefused(absl::StatusCode::kPermissionDenied, "not the one of this organization",
                [&](Words& words) { words.kek_file = other_kek; });
  ExpectRefused(absl::StatusCode::kNotFound, "key-encryption key",
                [&](Words& words) { words.kek_file = temp_.path() + "/none"; });
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "is not there",
                [&](Words& words) { words.repository = temp_.path() + "/none"; });
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "holds no repository",
                [&](Words& words) { words.repository = temp_.path(); });
  ExpectRefused(absl::StatusCode::kInvalidArgument, "--kek-file",
                [&](Words& words) { words.kek_file = ""; });
  second_.clock().Advance(absl::Minutes(2));
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "clock", [](Words&) {});
  second_.clock().Advance(-absl::Minutes(2));
  // After all of that, the right words do.
  const absl::Status joined = second_.Join(server());
  ASSERT_TRUE(joined.ok()) << joined;
  EXPECT_TRUE(absl::IsAlreadyExists(second_.Join(server())));
  ASSERT_TRUE(second_.Start().ok());
  EXPECT_THAT(AuditActions(), Contains("server.join"));
}

TEST_F(JoinTest, ADatabaseThatIsNotTheOrganizationsIsRefused) {
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "over the network",
                [](Words& words) { words.database = "postgresql://mooring@127.0.0.1:1/mooring"; });
  const auto empty = TestDatabase::MakeEmpty();
  ASSERT_TRUE(empty.ok());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "mooringd init",
                [&](Words& words) { words.database = (*empty)->url(); });
  const auto nobodys = TestDatabase::Make();
  ASSERT_TRUE(nobodys.ok());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "has no organization",
                [&](Words& words) { words.database = (*nobodys)->url(); });
  // Another organization's database, or its repository.
  TestServer stranger;
  ASSERT_TRUE(stranger.Init({}).ok());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "the catalog belongs to",
                [&](Words& words) { words.database = stranger.database_url(); });
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "the store holds repository",
                [&](Words& words) { words.repository = stranger.dir().repository(); });
  // All of it, but its server has never run: nobody can vouch for another.
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "start its first server", [&](Words& words) {
    words = {stranger.database_url(), stranger.dir().repository(), stranger.dir().kek()};
  });
}

TEST_F(JoinTest, AFolderThatHoldsSomethingElseIsNotTaken) {
  ASSERT_TRUE(RealFileSystem().CreateDirectories(second_.dir().path(), 0700).ok());
  ASSERT_TRUE(
      WriteFileDurably(RealFileSystem(), second_.dir().path() + "/diary", AsBytes("mine"), 0600)
          .ok());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "diary", [](Words&) {});
}

TEST_F(JoinTest, WhatWasCutOffIsFinishedByTheSameCommand) {
  ASSERT_TRUE(second_.Join(server()).ok());
  // As if it had ended before its last step.
  ASSERT_TRUE(RealFileSystem().Remove(second_.dir().config()).ok());
  const absl::Status again = second_.Join(server());
  ASSERT_TRUE(again.ok()) << again;
  // What is there from another organization is not overwritten.
  ASSERT_TRUE(RealFileSystem().Remove(second_.dir().config()).ok());
  ASSERT_TRUE(
      WriteFileDurably(RealFileSystem(), second_.dir().ca_certificate(), AsBytes("x"), 0644).ok());
  EXPECT_THAT(std::string(second_.Join(server()).message()), HasSubstr("another state directory"));
}

TEST_F(JoinTest, AServerWithAnotherCaDoesNotStartOnThisDatabase) {
  ASSERT_TRUE(second_.Join(server()).ok());
  TestServer stranger;
  ASSERT_TRUE(stranger.Init({}).ok());
  for (const auto& [from, to] :
       {std::pair(stranger.dir().ca_certificate(), second_.dir().ca_certificate()),
        std::pair(stranger.dir().ca_key(), second_.dir().ca_key()),
        std::pair(stranger.dir().kek(), second_.dir().kek())}) {
    ASSERT_TRUE(WriteFileDurably(RealFileSystem(), to, AsBytes(ReadText(from)), 0600).ok());
  }
  EXPECT_FALSE(second_.Start().ok());
}

class TwoServersTest : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    AddPerson("alice");
    agent_ = Enroll("desk");
    first_address_ = agent_->enrolled().address();
    const absl::Status joined = second_.Join(server());
    ASSERT_TRUE(joined.ok()) << joined;
    StartSecond();
  }
  void TearDown() override {
    control_.reset();
    other_admin_.reset();
    if (HasFailure()) std::cerr << "second server:\n" << second_.log().text();
    second_.Stop();
    ServerFixture::TearDown();
  }

  void StartSecond() {
    const absl::Status started = second_.Start();
    ASSERT_TRUE(started.ok()) << started;
    // The token of an account is good at every server.
    other_admin_ = std::make_unique<AdminStubs>(second_.Admin(server().admin_token()));
    ASSERT_TRUE(Eventually([&] { return ServersAlive(admin()) == 2; }));
    ASSERT_TRUE(Eventually([&] { return ServersAlive(other_admin()) == 2; }));
  }
  AdminStubs& other_admin() { return *other_admin_; }

  // The agent's stream, at whichever server it is.
  void Connect() {
    control_ = std::make_unique<TestControl>(*agent_);
    ASSERT_TRUE(control_->hello().ok());
    ASSERT_TRUE(control_->Attach(kSerial).ok());
  }
  void ConnectToSecond() {
    agent_->GoTo(second_.endpoints().agents);
    Connect();
  }

  v1::GetServerStatusResponse Status(AdminStubs& stubs) {
    grpc::ClientContext context;
    v1::GetServerStatusResponse response;
    const auto status =
        stubs.fleet->GetServerStatus(&context, v1::GetServerStatusRequest(), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  int ServersAlive(AdminStubs& stubs) {
    int alive = 0;
    const v1::GetServerStatusResponse status = Status(stubs);
    for (const v1::ServerInfo& server : status.servers()) alive += server.alive() ? 1 : 0;
    return alive;
  }
  bool SeesAgentOnline(AdminStubs& stubs) {
    grpc::ClientContext context;
    v1::ListAgentsResponse response;
    EXPECT_TRUE(stubs.fleet->ListAgents(&context, v1::ListAgentsRequest(), &response).ok());
    return response.agents_size() == 1 && response.agents(0).online();
  }
  bool SeesPhoneAttached(AdminStubs& stubs) {
    grpc::ClientContext context;
    v1::GetDeviceRequest request;
    request.set_device(kSerial);
    v1::GetDeviceResponse response;
    EXPECT_TRUE(stubs.fleet->GetDevice(&context, request, &response).ok());
    return !response.device().attached_agent_id().empty();
  }
  absl::Status OrderBackup(AdminStubs& stubs) {
    grpc::ClientContext context;
    v1::StartDeviceBackupRequest request;
    request.set_device(kSerial);
    v1::StartDeviceBackupResponse response;
    return FromGrpcStatus(stubs.fleet->StartDeviceBackup(&context, request, &response));
  }
  void Say(const storage::BegunSession& session, std::uint64_t bytes_read) {
    v1::ControlRequest event;
    event.mutable_progress()->set_session_id(session.session.bytes());
    event.mutable_progress()->set_serial(kSerial);
    event.mutable_progress()->set_phase(v1::PHASE_CAPTURING);
    event.mutable_progress()->set_bytes_read(bytes_read);
    control_->Send(event);
  }

  SealedTree Sealed(const storage::BegunSession& session) {
    SystemClock clock;
    auto tree = SealFiles(session, files_, clock, random());
    EXPECT_TRUE(tree.ok()) << tree.status();
    return tree.ok() ? *std::move(tree) : SealedTree();
  }

  const Files files_ = {{"full/00/one", SyntheticContent(1, 300'000)}, {"full/00/two", "short"}};
  TestServer second_;
  std::unique_ptr<AdminStubs> other_admin_;
  std::unique_ptr<TestAgent> agent_;
  std::unique_ptr<TestControl> control_;
  std::string first_address_;
};

TEST_F(TwoServersTest, BothTellTheSameOfAgentsAndPhones) {
  EXPECT_FALSE(SeesAgentOnline(admin()));
  ConnectToSecond();
  EXPECT_TRUE(SeesAgentOnline(other_admin()));
  EXPECT_TRUE(Eventually([&] { return SeesAgentOnline(admin()); }));
  EXPECT_TRUE(SeesPhoneAttached(admin()));
  EXPECT_TRUE(SeesPhoneAttached(other_admin()));
  EXPECT_EQ(Status(admin()).agents_online(), 1u);
  ASSERT_TRUE(server().server().RefreshMetrics(ctx()).ok());
  EXPECT_THAT(server().server().metrics().Text(), HasSubstr("mooring_agents{state=\"online\"} 1"));
  control_.reset();
  EXPECT_TRUE(Eventually([&] { return !SeesAgentOnline(admin()); }));
  EXPECT_FALSE(SeesPhoneAttached(admin()));
}

TEST_F(TwoServersTest, AServerThatStopsTakesItsAgentsAlongInThePicture) {
  ConnectToSecond();
  ASSERT_TRUE(Eventually([&] { return SeesAgentOnline(admin()); }));
  second_.Stop();
  EXPECT_TRUE(Eventually([&] { return !SeesAgentOnline(admin()); }));
  EXPECT_TRUE(Eventually([&] { return ServersAlive(admin()) == 1; }));
}

TEST_F(TwoServersTest, OrdersReachAnAgentAtTheOtherServer) {
  ConnectToSecond();
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  ASSERT_TRUE(Eventually([&] { return SeesAgentOnline(admin()); }));
  const absl::Status ordered = OrderBackup(admin());
  ASSERT_TRUE(ordered.ok()) << ordered;
  const auto order = control_->Next(v1::ControlResponse::kStartBackup);
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->start_backup().serial(), kSerial);
}

TEST_F(TwoServersTest, WhatIsSaidOfAPhoneReachesAnAgentAtTheOtherServer) {
  ConnectToSecond();
  ASSERT_TRUE(Eventually([&] { return SeesAgentOnline(admin()); }));
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  const auto order = control_->Next(v1::ControlResponse::kStanding);
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_TRUE(order->standing().assigned());
}

TEST_F(TwoServersTest, ARestoreIsOrderedAtTheServerThatHasTheAgent) {
  ConnectToSecond();
  ASSERT_TRUE(control_->Attach(kSpare).ok());
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  ASSERT_TRUE(BackUpOverWire(*agent_, kSerial, files_, random()).ok());
  ASSERT_TRUE(Assign(kSpare, "alice").ok());
  ASSERT_TRUE(Eventually([&] { return SeesAgentOnline(admin()); }));
  // Asked for and approved at the first.
  grpc::ClientContext context;
  v1::CreateRestoreRequest request;
  request.set_from_device(kSerial);
  request.set_to_serial(kSpare);
  request.set_reason("replacement");
  v1::CreateRestoreResponse response;
  const grpc::Status asked = admin().access->CreateRestore(&context, request, &response);
  ASSERT_TRUE(asked.ok()) << asked.error_message();
  grpc::ClientContext approval;
  v1::ApproveRequestRequest approve;
  approve.set_request_id(response.request().id());
  v1::ApproveRequestResponse approved;
  ASSERT_TRUE(admin().access->ApproveRequest(&approval, approve, &approved).ok());
  const auto order = control_->Next(v1::ControlResponse::kStartRestore);
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->start_restore().restore_id(), response.restore_id());
  // The code that the first server shows is the one that the second has sent, and
  // the catalog never had it.
  grpc::ClientContext show;
  v1::GetRestoreRequest get;
  get.set_restore_id(response.restore_id());
  v1::GetRestoreResponse shown;
  ASSERT_TRUE(admin().access->GetRestore(&show, get, &shown).ok());
  EXPECT_EQ(shown.grant_code(), order->start_restore().grant_code());
  const auto files =
      ReadOverWire(agent_->restore(), agent_->hpke(), order->start_restore().grant_code(), kSpare);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(*files, files_);
}

TEST_F(TwoServersTest, AnAgentThatIsRevokedIsCutOffAtTheOtherServer) {
  ConnectToSecond();
  ASSERT_TRUE(Eventually([&] { return SeesAgentOnline(admin()); }));
  grpc::ClientContext context;
  v1::RevokeAgentRequest request;
  request.set_agent_id(agent_->id().bytes());
  request.set_reason("stolen");
  v1::RevokeAgentResponse response;
  ASSERT_TRUE(admin().fleet->RevokeAgent(&context, request, &response).ok());
  // Its stream is ended although it says nothing; a new call fails.
  EXPECT_TRUE(absl::IsPermissionDenied(control_->Next(v1::ControlResponse::kStartBackup).status()));
  TestControl again(*agent_);
  EXPECT_TRUE(absl::IsPermissionDenied(again.hello().status()));
}

TEST_F(TwoServersTest, AnAgentIsWhereItConnectedLast) {
  Connect();  // At the first.
  const auto before = std::exchange(control_, nullptr);
  ConnectToSecond();
  const auto ended = before->Next(v1::ControlResponse::kStartBackup);
  EXPECT_TRUE(absl::IsAborted(ended.status())) << ended.status();
  // The end of the old stream does not unplug the phone.
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_TRUE(SeesPhoneAttached(other_admin()));
  EXPECT_TRUE(Eventually([&] { return SeesPhoneAttached(admin()); }));
}

TEST_F(TwoServersTest, ASessionGoesOnAtTheOtherServer) {
  Connect();
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  const auto session = agent_->BeginAndOpen(kSerial);
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(Status(admin()).sessions_running(), 1u);
  control_.reset();
  ConnectToSecond();
  Say(*session, 4711);
  // The second counts it from now on, and the first no longer does.
  EXPECT_TRUE(Eventually([&] { return Status(other_admin()).sessions_running() == 1; }));
  EXPECT_TRUE(Eventually([&] { return Status(admin()).sessions_running() == 0; }));
  const SealedTree tree = Sealed(*session);
  const auto receipt = FinishOverWire(*agent_, *session, tree);
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(Status(other_admin()).sessions_running(), 0u);
  EXPECT_EQ(Status(admin()).snapshot_count(), 1u);
  EXPECT_THAT(second_.server().metrics().Text(), HasSubstr("mooring_snapshots_committed_total 1"));
  EXPECT_THAT(server().server().metrics().Text(),
              Not(HasSubstr("mooring_snapshots_committed_total 1")));
}

TEST_F(TwoServersTest, WhoWatchesSeesTheSessionsOfBoth) {
  ConnectToSecond();
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  ASSERT_TRUE(Eventually([&] { return SeesAgentOnline(admin()); }));
  const auto session = agent_->BeginAndOpen(kSerial);
  ASSERT_TRUE(session.ok()) << session.status();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  const auto reader = admin().fleet->WatchSessions(&context, v1::WatchSessionsRequest());
  v1::WatchSessionsResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(seen.session().id(), session->session.bytes());
  EXPECT_EQ(seen.session().serial(), kSerial);
  const SealedTree tree = Sealed(*session);
  ASSERT_TRUE(FinishOverWire(*agent_, *session, tree).ok());
  while (seen.session().state() == v1::SESSION_STATE_OPEN && reader->Read(&seen)) {
  }
  EXPECT_EQ(seen.session().state(), v1::SESSION_STATE_COMMITTED);
  context.TryCancel();
  while (reader->Read(&seen)) {
  }
  reader->Finish();
}

TEST_F(TwoServersTest, AgentsLearnWhereTheServersAre) {
  const std::string second = second_.endpoints().agents;
  v1::ServerHello hello;
  // Within a beat the first has heard of the second.
  ASSERT_TRUE(Eventually([&] {
    control_ = std::make_unique<TestControl>(*agent_);
    const auto answer = control_->hello();
    if (answer.ok()) hello = *answer;
    return hello.servers().addresses_size() > 1;
  }));
  EXPECT_THAT(hello.servers().addresses(), ElementsAre(first_address_, second));
  const auto newcomer = Enroll("another");
  ASSERT_NE(newcomer, nullptr);
  EXPECT_THAT(newcomer->enrolled().addresses(), ElementsAre(first_address_, second));
  const auto invitation = ParseInvitationToken(Invite());
  ASSERT_TRUE(invitation.ok());
  EXPECT_EQ(invitation->address(), server().endpoints().enrollment);
  EXPECT_THAT(invitation->more_addresses(), ElementsAre(second_.endpoints().enrollment));
}

TEST_F(TwoServersTest, AgentsThatAreConnectedHearOfAServerThatJoins) {
  Connect();
  TestServer third;
  ASSERT_TRUE(third.Join(server()).ok());
  ASSERT_TRUE(third.Start().ok());
  const auto order = control_->Next(v1::ControlResponse::kServers);
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_THAT(
      order->servers().addresses(),
      UnorderedElementsAre(first_address_, second_.endpoints().agents, third.endpoints().agents));
  third.Stop();
}

TEST_F(TwoServersTest, ACertificateOfTheSecondServerIsGoodAtTheFirst) {
  agent_->GoTo(second_.endpoints().agents);
  ASSERT_TRUE(agent_->Renew().ok());
  agent_->GoTo(first_address_);
  TestControl control(*agent_);
  EXPECT_TRUE(control.hello().ok());
}

TEST_F(TwoServersTest, BothCanBackUpAndEachReadsWhatTheOtherStored) {
  Connect();
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  const auto first = BackUpOverWire(*agent_, kSerial, files_, random());
  ASSERT_TRUE(first.ok()) << first.status();
  control_.reset();
  ConnectToSecond();
  const auto next = BackUpOverWire(*agent_, kSerial, files_, random());
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_TRUE(next->incremental);
  const auto exported = ExportOverWire(other_admin(), first->receipt.snapshot_id(), random());
  ASSERT_TRUE(exported.ok()) << exported.status();
  EXPECT_EQ(*exported, files_);
}

TEST_F(TwoServersTest, JobsRanOnce) {
  // Both servers have asked for all of them when they started.
  const auto count = [&](const std::string& action) {
    const std::vector<std::string> actions = AuditActions();
    return std::count(actions.begin(), actions.end(), action);
  };
  EXPECT_TRUE(Eventually([&] { return count("repository.prune") == 1; }));
  absl::SleepFor(absl::Seconds(1));
  EXPECT_EQ(count("repository.prune"), 1);
  int exports = 0;
  for (const std::string& text : {server().log().text(), second_.log().text()}) {
    for (std::size_t at = text.find("catalog.export"); at != std::string::npos;
         at = text.find("catalog.export", at + 1)) {
      ++exports;
    }
  }
  EXPECT_EQ(exports, 1);
}

}  // namespace
}  // namespace mooring::testing
