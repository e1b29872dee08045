// A synchronous standby takes over from the PostgreSQL of the shipped server under load: row
// 24 of the fault matrix.

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "storage/catalog/postgres_files.h"
#include "storage/catalog/private_postgres.h"
#include "storage/catalog/sql.h"
#include "tests/crash/crash_world.h"
#include "tests/crash/loop_disk.h"
#include "tests/crash/shipped_server.h"

namespace mooring::testing {
namespace {

class StandbyTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<storage::PrivatePostgres>> Start(const std::string& name) {
    storage::PrivatePostgresOptions options;
    options.directory = dir_.path() + "/" + name;
    options.shared_buffers = "32MB";
    return storage::PrivatePostgres::Start({.deadline = absl::Now() + absl::Minutes(2), .stop = {}},
                                           options, clock_);
  }
  std::string SocketOf(const std::string& name) const { return dir_.path() + "/" + name + "/run"; }
  static absl::Status Run(const std::string& url, const std::string& script) {
    const auto sql = storage::SqlSession::Connect(url);
    return sql.ok() ? (*sql)->ExecScript(script) : sql.status();
  }

  // A copy of the primary that every COMMIT waits for.
  void MakeStandby() {
    std::ofstream(dir_.path() + "/primary/pg_hba.conf", std::ios::app)
        << "local replication all peer map=mooring\n";
    ASSERT_TRUE(Run(primary_->url(), "SELECT pg_reload_conf()").ok());
    const std::string data = dir_.path() + "/standby/data";
    // Its folders and files, as the start would make them.
    const auto files = storage::PreparePostgresFiles(dir_.path() + "/standby", "postgres", "");
    ASSERT_TRUE(files.ok()) << files.status();
    const RunResult copied =
        RunProgram({files->binaries + "/pg_basebackup", "-h", SocketOf("primary"), "-U", "mooring",
                    "-D", data, "-R", "-c", "fast", "--no-sync"});
    ASSERT_EQ(copied.exit_code, 0) << copied.err;
    ASSERT_EQ(RunProgram({"chown", "-R", "postgres:postgres", data}).exit_code, 0);
    auto standby = Start("standby");
    ASSERT_TRUE(standby.ok()) << standby.status();
    standby_ = *std::move(standby);
    for (const char* const statement :
         {"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"}) {
      const auto sql = storage::SqlSession::Connect(primary_->url());
      ASSERT_TRUE(sql.ok());
      ASSERT_TRUE((*sql)->Exec(statement).ok()) << statement;
    }
  }
  // For good: there is nothing left to start.
  void DestroyPrimary() {
    const std::string directory = dir_.path() + "/primary/";
    std::filesystem::rename(directory + "data", directory + "gone");
    KillPostgres(primary_->pid());
  }

  TempDir dir_;
  SystemClock clock_;
  std::unique_ptr<storage::PrivatePostgres> primary_;
  std::unique_ptr<storage::PrivatePostgres> standby_;
};

TEST_F(StandbyTest, NothingAcknowledgedIsLostWhenItTakesOver) {
  auto primary = Start("primary");
  ASSERT_TRUE(primary.ok()) << primary.status();
  primary_ = *std::move(primary);
  ShippedServer server(
      {.state_dir = dir_.path() + "/server",
       .database_url =
           fmt::format("host={},{} user=mooring dbname=mooring target_session_attrs=read-write",
                       SocketOf("primary"), SocketOf("standby"))});
  absl::Status status = server.Init();
  ASSERT_TRUE(status.ok()) << status;
  MakeStandby();
  if (HasFatalFailure()) return;
  status = server.Start();
  ASSERT_TRUE(status.ok()) << status;
  CrashWorld world(server, 3, 1);
  status = world.SetUp();
  ASSERT_TRUE(status.ok()) << status;
  {
    const std::jthread load([&] {
      for (int i = 0; i < 4; ++i) world.Run(Step::kTwoBackups).IgnoreError();
    });
    absl::SleepFor(absl::Milliseconds(250));
    DestroyPrimary();
    ASSERT_TRUE(Run(standby_->url(), "SELECT pg_promote()").ok());
  }
  // The same server goes on with the other one.
  EXPECT_TRUE(server.running());
  status = world.Settle();
  EXPECT_TRUE(status.ok()) << status << server.LastWords();
  status = world.Check(true);
  EXPECT_TRUE(status.ok()) << status << server.LastWords();
  server.Kill();
}

}  // namespace
}  // namespace mooring::testing
