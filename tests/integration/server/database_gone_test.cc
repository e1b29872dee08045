// PostgreSQL dies in the middle of a backup; and mooringd's init is run again.

#include <signal.h>

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/rpc_status.h"
#include "server/config/init.h"
#include "tests/integration/server/server_fixture.h"
#include "tests/integration/server/wire_backup.h"

namespace mooring::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kSerial[] = "00008120-000A1B2C3D4E001E";

class DatabaseGoneTest : public ServerFixture {
 protected:
  void SetUp() override {
    TestServer::Options options;
    options.private_postgres = true;
    SetUpServer(options);
  }

  pid_t Postmaster() {
    std::istringstream file(ReadText(server().dir().postgres() + "/data/postmaster.pid"));
    pid_t pid = 0;
    file >> pid;
    return pid;
  }
};

TEST_F(DatabaseGoneTest, CallsSayUnavailableAndTheSessionGoesOnWhenItIsBack) {
  AddPerson("alice");
  const auto agent = Enroll();
  ASSERT_NE(agent, nullptr);
  TestControl control(*agent);
  ASSERT_TRUE(control.hello().ok());
  ASSERT_TRUE(control.Attach(kSerial).ok());
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  const Files files = {{"full/00/one", SyntheticContent(1, 500'000)}};
  const auto first = BackUpOverWire(*agent, kSerial, files, random());
  ASSERT_TRUE(first.ok()) << first.status();

  Files changed = files;
  changed["full/00/two"] = SyntheticContent(2, 200'000);
  const auto session = agent->BeginAndOpen(kSerial);
  ASSERT_TRUE(session.ok());
  SystemClock clock;
  const auto tree = SealFiles(*session, changed, clock, random());
  ASSERT_TRUE(tree.ok());

  const pid_t postmaster = Postmaster();
  ASSERT_GT(postmaster, 1);
  ASSERT_EQ(kill(postmaster, SIGQUIT), 0);  // At once, as in a crash.
  // Whatever is asked meanwhile either works or may be asked again.
  absl::StatusOr<v1::Receipt> receipt = FinishOverWire(*agent, *session, *tree);
  int unavailable = 0;
  for (int i = 0; i < 300 && !receipt.ok(); ++i) {
    ASSERT_TRUE(absl::IsUnavailable(receipt.status()) || absl::IsUnknown(receipt.status()))
        << receipt.status();
    ++unavailable;
    clock.Sleep(absl::Milliseconds(100), {});
    receipt = FinishOverWire(*agent, *session, *tree);
  }
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_GT(unavailable, 0) << "the database was never missed";
  EXPECT_NE(Postmaster(), postmaster);
  EXPECT_EQ(receipt->sequence(), first->receipt.sequence() + 1);
  const auto exported = ExportOverWire(admin(), receipt->snapshot_id(), random());
  ASSERT_TRUE(exported.ok()) << exported.status();
  EXPECT_EQ(*exported, changed);
  const auto before = ExportOverWire(admin(), first->receipt.snapshot_id(), random());
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(*before, files);
}

TEST(InitTest, RefusesToOverwriteAndFinishesWhatWasInterrupted) {
  TestServer server;
  ASSERT_TRUE(server.Init({}).ok());
  SystemClock clock;
  SystemRandom random;
  const server::InitEnvironment environment{RealFileSystem(), clock, random,
                                            [](const std::string&) {}};
  const OpContext ctx{.deadline = clock.Now() + absl::Minutes(2), .stop = {}};
  config::v1::ServerConfig config;
  config.set_organization("Test Inc.");
  config.set_single_admin(true);
  config.set_database_url(server.database_url());
  const absl::Status again = server::InitServer(ctx, environment, server.dir(), config);
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(again.message()), HasSubstr("mooringd serve"));

  // Interrupted before its last steps: run again, it finishes, and keeps its keys.
  const std::string kek = ReadText(server.dir().kek());
  const std::string ca = server.ca();
  for (const std::string& path : {server.dir().config(), server.dir().admin_token()}) {
    ASSERT_TRUE(RealFileSystem().Remove(path).ok());
  }
  const absl::Status finished = server::InitServer(ctx, environment, server.dir(), config);
  ASSERT_TRUE(finished.ok()) << finished;
  EXPECT_EQ(ReadText(server.dir().kek()), kek);
  EXPECT_EQ(server.ca(), ca);
  const absl::Status started = server.Start();
  ASSERT_TRUE(started.ok()) << started;
  grpc::ClientContext context;
  v1::GetServerStatusResponse status;
  EXPECT_TRUE(
      server.Admin(server.admin_token()).fleet->GetServerStatus(&context, {}, &status).ok());

  // Another organization's answer does not fit this database.
  server.Stop();
  ASSERT_TRUE(RealFileSystem().Remove(server.dir().config()).ok());
  config.set_organization("Other Inc.");
  const absl::Status other = server::InitServer(ctx, environment, server.dir(), config);
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition) << other;
}

TEST(InitTest, ADirectoryWithSomethingElseInItIsLeftAlone) {
  const TempDir temp;
  const server::StateDir dir(temp.path());
  ASSERT_TRUE(WriteFileDurably(RealFileSystem(), temp.path() + "/thesis.txt", AsBytes("x")).ok());
  SystemClock clock;
  SystemRandom random;
  const server::InitEnvironment environment{RealFileSystem(), clock, random,
                                            [](const std::string&) {}};
  config::v1::ServerConfig config;
  config.set_organization("Test Inc.");
  const absl::Status status = server::InitServer(
      {.deadline = clock.Now() + absl::Minutes(1), .stop = {}}, environment, dir, config);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("thesis.txt"));
}

}  // namespace
}  // namespace mooring::testing
