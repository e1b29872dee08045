// Scrub, replica, self-backup and drills through the RPCs, as an operator runs
// them, with what the metrics say meanwhile; and a server that is rebuilt.

#include <fstream>

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include "mooring/v1/care.grpc.pb.h"
#include "proto/rpc_status.h"
#include "server/config/rebuild.h"
#include "server/config/server_config.h"
#include "tests/integration/server/server_fixture.h"
#include "tests/integration/server/wire_backup.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kSerial[] = "00008120-000A1B2C3D4E001E";

class CareServiceTest : public ServerFixture {
 protected:
  void SetUp() override {
    SetUpServer({});
    // A replica takes a line in the configuration and a restart. The jobs are off:
    // a test says when what happens.
    server().Stop();
    std::ofstream(server().dir().config(), std::ios::app)
        << "replica: " << replica_.path() << "\ncare:\n  off: true\n";
    ASSERT_TRUE(server().Start().ok());
    admin() = server().Admin(server().admin_token());
    care_ = v1::CareService::NewStub(admin().channel);
    AddPerson("alice");
    agent_ = Enroll("desk-1");
    ASSERT_NE(agent_, nullptr);
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
    agent_.reset();
    care_.reset();
    ServerFixture::TearDown();
  }

  v1::GetRepositoryHealthResponse Health() {
    grpc::ClientContext context;
    v1::GetRepositoryHealthResponse response;
    const grpc::Status status = care_->GetRepositoryHealth(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::ScrubRepositoryResponse Scrub() {
    server().clock().Advance(absl::Seconds(1));
    grpc::ClientContext context;
    v1::ScrubRepositoryRequest request;
    request.set_all(true);
    return Last(*care_->ScrubRepository(&context, request));
  }
  v1::SyncReplicaResponse Sync() {
    grpc::ClientContext context;
    return Last(*care_->SyncReplica(&context, {}));
  }
  v1::RunDrillResponse Drill() {
    grpc::ClientContext context;
    return Last(*care_->RunDrill(&context, {}));
  }
  template <typename Message>
  Message Last(grpc::ClientReader<Message>& reader) {
    Message message;
    Message last;
    while (reader.Read(&message)) last = message;
    const grpc::Status status = reader.Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return last;
  }
  std::string Metrics() {
    EXPECT_TRUE(server().server().RefreshMetrics(ctx()).ok());
    return server().server().metrics().Text();
  }

  // The one pack of the one backup, on disk.
  std::string PackFile() {
    const RunResult found = RunProgram(
        {"find", server().dir().repository() + "/packs", "-type", "f", "-size", "+100k"});
    return found.out.substr(0, found.out.find('\n'));
  }
  static void FlipByteOf(const std::string& path, int offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(file.is_open()) << path;
    file.seekg(offset);
    const int byte = file.get();
    file.seekp(offset);
    file.put(static_cast<char>(byte ^ 1));
  }

  TempDir replica_;
  std::unique_ptr<v1::CareService::Stub> care_;
  std::unique_ptr<TestAgent> agent_;
  std::unique_ptr<TestControl> control_;
  std::string snapshot_;
  const Files files_ = {{"full/00/one", SyntheticContent(1, 300'000)}, {"full/00/two", "short"}};
};

TEST_F(CareServiceTest, DamageIsFoundShownAndHealed) {
  EXPECT_TRUE(Scrub().complete());
  EXPECT_EQ(Health().lost_chunks(), 0u);
  EXPECT_THAT(Metrics(), HasSubstr("mooring_damaged_snapshots 0"));
  FlipByteOf(PackFile(), 150'000);
  EXPECT_EQ(Scrub().chunks_lost(), 1u);
  const auto health = Health();
  EXPECT_EQ(health.lost_chunks(), 1u);
  EXPECT_EQ(health.damaged_snapshots(), 1u);
  EXPECT_EQ(health.findings_size(), 1);
  EXPECT_THAT(Metrics(), HasSubstr("mooring_damaged_snapshots 1"));
  grpc::ClientContext context;
  v1::GetDeviceRequest device;
  device.set_device(kSerial);
  v1::GetDeviceResponse got;
  ASSERT_TRUE(admin().fleet->GetDevice(&context, device, &got).ok());
  EXPECT_EQ(got.device().damaged_snapshots(), 1u);
  // The next backup brings the bytes; the round of a job does the counting.
  const auto again = BackUpOverWire(*agent_, kSerial, files_, random());
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_TRUE(server().server().RunJobsOnce(ctx()).ok());
  EXPECT_EQ(Health().damaged_snapshots(), 0u);
  EXPECT_THAT(Metrics(), HasSubstr("mooring_lost_chunks 0"));
  EXPECT_THAT(AuditActions(), Contains("chunk.lost"));
}

TEST_F(CareServiceTest, AReplicaHealsWhatTheDiskLost) {
  EXPECT_EQ(Health().replica().packs_behind(), 1u);
  const auto synced = Sync();
  EXPECT_TRUE(synced.complete());
  EXPECT_EQ(synced.packs_copied(), 1u);
  EXPECT_EQ(Health().replica().packs_behind(), 0u);
  EXPECT_THAT(Metrics(), HasSubstr("mooring_replica_lag_seconds 0"));
  FlipByteOf(PackFile(), 150'000);
  const auto scrubbed = Scrub();
  EXPECT_EQ(scrubbed.packs_bad(), 1u);
  EXPECT_EQ(scrubbed.chunks_lost(), 0u);
  const auto read = ExportOverWire(admin(), snapshot_, random());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(*read == files_);
  EXPECT_THAT(AuditActions(), Contains("pack.heal"));
}

TEST_F(CareServiceTest, DrillsLeaveEvidence) {
  const auto drilled = Drill();
  ASSERT_EQ(drilled.drills_size(), 1);
  EXPECT_EQ(drilled.drills(0).result(), v1::DRILL_RESULT_PASSED);
  EXPECT_EQ(drilled.drills(0).requested_by(), "account:admin");
  EXPECT_EQ(drilled.drills(0).serial(), kSerial);
  FlipByteOf(PackFile(), 150'000);
  EXPECT_EQ(Drill().drills(0).result(), v1::DRILL_RESULT_FAILED);
  grpc::ClientContext context;
  v1::ListDrillsRequest request;
  request.set_device(kSerial);
  v1::ListDrillsResponse list;
  ASSERT_TRUE(care_->ListDrills(&context, request, &list).ok());
  EXPECT_EQ(list.drills_size(), 2);
  EXPECT_THAT(Metrics(), HasSubstr("mooring_drills_failed 1"));
}

TEST_F(CareServiceTest, AServerComesBackFromItsRepositoryAndKitAlone) {
  grpc::ClientContext context;
  v1::ExportCatalogResponse made;
  const grpc::Status exported = care_->ExportCatalog(&context, {}, &made);
  ASSERT_TRUE(exported.ok()) << exported.error_message();
  EXPECT_GT(made.rows(), 0u);
  const std::string token = server().admin_token();
  const std::string ca = server().ca();
  control_.reset();
  server().Stop();
  // Its database is never looked at again.
  TempDir temp;
  const server::StateDir dir(temp.path() + "/rebuilt");
  auto database = TestDatabase::MakeEmpty();
  ASSERT_TRUE(database.ok()) << database.status();
  SystemClock clock;
  config::v1::ServerConfig config;
  config.set_repository(server().dir().repository());
  config.set_database_url((*database)->url());
  config.mutable_listen()->set_agents("127.0.0.1:0");
  config.mutable_listen()->set_enrollment("127.0.0.1:0");
  config.mutable_listen()->set_metrics("127.0.0.1:0");
  const server::InitEnvironment environment{RealFileSystem(), clock, random(),
                                            [](const std::string&) {}};
  const auto summary =
      server::RebuildServer(ctx(), environment, dir, server().dir().recovery_kit(), config);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->snapshots, 1u);
  EXPECT_EQ(summary->export_name, made.export_().name());
  EXPECT_EQ(ReadText(dir.ca_certificate()), ca);

  auto loaded = server::LoadServerConfig(RealFileSystem(), dir.config(), dir);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->organization(), "Test Inc.");
  EXPECT_TRUE(loaded->single_admin());
  loaded->mutable_care()->set_off(true);
  MemoryLog log;
  auto rebuilt =
      server::Server::Start(ctx(), {RealFileSystem(), clock, random(), log}, dir, *loaded);
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  // The old token is known, for the accounts came back.
  const auto channel = grpc::CreateCustomChannel(
      (*rebuilt)->endpoints().enrollment,
      grpc::SslCredentials({.pem_root_certs = ca, .pem_private_key = "", .pem_cert_chain = ""}),
      {});
  const auto call = [&](auto method) {
    auto one = std::make_unique<grpc::ClientContext>();
    one->AddMetadata("authorization", "Bearer " + token);
    return method(*one);
  };
  const auto fleet = v1::FleetService::NewStub(channel);
  const auto policy = v1::RepositoryService::NewStub(channel);
  const auto care = v1::CareService::NewStub(channel);
  v1::ListSnapshotsResponse snapshots;
  const grpc::Status listed =
      call([&](grpc::ClientContext& one) { return fleet->ListSnapshots(&one, {}, &snapshots); });
  ASSERT_TRUE(listed.ok()) << listed.error_message();
  ASSERT_EQ(snapshots.snapshots_size(), 1);
  EXPECT_EQ(snapshots.snapshots(0).id(), snapshot_);
  EXPECT_EQ(snapshots.snapshots(0).person_handle(), "alice");
  // Nothing is deleted before a person has looked.
  const auto prune = [&] {
    return call([&](grpc::ClientContext& one) {
      v1::PruneRepositoryResponse response;
      return policy->PruneRepository(&one, {}, &response);
    });
  };
  EXPECT_EQ(prune().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  const grpc::Status confirmed = call([&](grpc::ClientContext& one) {
    v1::ConfirmRebuildResponse response;
    return care->ConfirmRebuild(&one, {}, &response);
  });
  EXPECT_TRUE(confirmed.ok()) << confirmed.error_message();
  EXPECT_TRUE(prune().ok());
  (*rebuilt)->Stop(absl::Seconds(1));
}

}  // namespace
}  // namespace mooring::testing
