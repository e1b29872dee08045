#include "tests/integration/storage/catalog/postgres_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <spawn.h>

#include "storage/base/status.h"
#include "storage/catalog/database_url.h"
#include "storage/catalog/migrations.h"
#include "storage/catalog/private_postgres.h"
#include "storage/catalog/sql.h"

namespace mooring::testing {
namespace {

using storage::PrivatePostgres;

constexpr char kTemplate[] = "mooring";

OpContext Soon(Clock& clock) {
  return OpContext{clock.Now() + absl::Minutes(2), {}};
}

// A shell that waits for the end of this process and then sees that nothing of
// the server is left. Returns the pipe's end whose closing it waits for.
int StartReaper(const std::string& directory) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return -1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_fds[0], 0);
  // ctest waits for the end of the test's output: the reaper must not hold it.
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::string script = fmt::format(
      "read line; pid=$(head -n 1 {0}/postgres/data/postmaster.pid) && kill -QUIT $pid && sleep 1;"
      " rm -rf {0}",
      directory);
  std::string shell = "sh";
  std::string flag = "-c";
  char* argv[] = {shell.data(), flag.data(), script.data(), nullptr};
  pid_t pid = 0;
  const int failed = posix_spawn(&pid, "/bin/sh", &actions, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_fds[0]);
  return failed == 0 ? pipe_fds[1] : -1;
}

// The server of this process, with a migrated database to copy.
class SharedServer {
 public:
  static absl::StatusOr<SharedServer*> Get() {
    static absl::StatusOr<std::unique_ptr<SharedServer>> server = Start();
    if (!server.ok()) return server.status();
    return server->get();
  }

  ~SharedServer() {
    postgres_.reset();
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }

  const std::string& url() const { return postgres_->url(); }
  absl::Status Run(const std::string& statement) {
    MOORING_ASSIGN_OR_RETURN(const std::string admin, storage::WithDatabase(url(), "postgres"));
    MOORING_ASSIGN_OR_RETURN(const auto sql, storage::SqlSession::Connect(admin));
    return sql->ExecScript(statement);
  }
  int NextNumber() { return ++databases_; }

 private:
  static absl::StatusOr<std::unique_ptr<SharedServer>> Start() {
    auto server = std::unique_ptr<SharedServer>(new SharedServer());
    char directory[] = "/tmp/mooring-pg-XXXXXX";
    if (mkdtemp(directory) == nullptr) return absl::InternalError("mkdtemp failed");
    // Passable for the user whom PostgreSQL runs as.
    if (chmod(directory, 0711) != 0) return absl::InternalError("chmod failed");
    server->directory_ = directory;
    server->reaper_ = StartReaper(directory);
    storage::PrivatePostgresOptions options;
    options.directory = server->directory_ + "/postgres";
    options.shared_buffers = "32MB";
    MOORING_ASSIGN_OR_RETURN(server->postgres_,
                             PrivatePostgres::Start(Soon(server->clock_), options, server->clock_));
    MOORING_RETURN_IF_ERROR(
        storage::MigrateCatalog(Soon(server->clock_), server->url(), server->clock_).status());
    return server;
  }

  SystemClock clock_;
  std::string directory_;
  int reaper_ = -1;  // Closed by the end of the process, never by us.
  std::unique_ptr<PrivatePostgres> postgres_;
  std::atomic<int> databases_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TestDatabase>> TestDatabase::Make() {
  return Create(kTemplate);
}

absl::StatusOr<std::unique_ptr<TestDatabase>> TestDatabase::MakeEmpty() {
  return Create("template1");
}

absl::StatusOr<std::unique_ptr<TestDatabase>> TestDatabase::Create(
    const std::string& database_template) {
  MOORING_ASSIGN_OR_RETURN(SharedServer* const server, SharedServer::Get());
  const std::string name = fmt::format("test_{}", server->NextNumber());
  MOORING_RETURN_IF_ERROR(
      server->Run(fmt::format("CREATE DATABASE {} TEMPLATE {}", name, database_template)));
  MOORING_ASSIGN_OR_RETURN(std::string url, storage::WithDatabase(server->url(), name));
  return std::unique_ptr<TestDatabase>(new TestDatabase(name, std::move(url)));
}

TestDatabase::~TestDatabase() {
  const absl::StatusOr<SharedServer*> server = SharedServer::Get();
  if (!server.ok()) return;
  const absl::Status dropped = (*server)->Run(fmt::format("DROP DATABASE {} WITH (FORCE)", name_));
  EXPECT_TRUE(dropped.ok()) << dropped;
}

void PostgresTest::SetUp() {
  auto database = TestDatabase::Make();
  ASSERT_TRUE(database.ok()) << database.status();
  database_ = *std::move(database);
  storage::PgCatalogOptions options;
  options.url = database_->url();
  auto catalog = storage::PgCatalog::Open(ctx(), options, clock_, random_);
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  catalog_ = *std::move(catalog);
}

OpContext PostgresTest::ctx() {
  return Soon(clock_);
}

}  // namespace mooring::testing
