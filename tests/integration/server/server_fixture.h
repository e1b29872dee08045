// ServerFixture: a whole server in this process, on a real PostgreSQL, a disk
// repository in a temporary directory and ports of 127.0.0.1. For tests of the
// server, and of whatever speaks to one.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include "mooring/config/v1/config.pb.h"
#include "mooring/v1/access.grpc.pb.h"
#include "mooring/v1/fleet.grpc.pb.h"
#include "mooring/v1/policy.grpc.pb.h"
#include "mooring/v1/report.grpc.pb.h"
#include "mooring/v1/repository.grpc.pb.h"
#include "mooring/v1/restore.grpc.pb.h"
#include "server/config/state_dir.h"
#include "server/log/log.h"
#include "server/server.h"
#include "storage/base/random.h"
#include "storage/catalog/pg_catalog.h"
#include "tests/integration/server/shifted_clock.h"
#include "tests/integration/server/test_agent.h"
#include "tests/integration/storage/catalog/postgres_fixture.h"
#include "tests/support/subprocess.h"

namespace mooring::testing {

// Keeps what the server logs. Thread-safe.
class MemoryLog final : public server::Log {
 public:
  void Write(server::LogLevel level, std::string_view event,
             std::initializer_list<server::LogField> fields) override;
  std::string text();

 private:
  Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
};

// The RPCs of an administrator.
struct AdminStubs {
  explicit AdminStubs(std::shared_ptr<grpc::Channel> over)
      : channel(std::move(over)),
        fleet(v1::FleetService::NewStub(channel)),
        policy(v1::PolicyService::NewStub(channel)),
        report(v1::ReportService::NewStub(channel)),
        access(v1::AccessService::NewStub(channel)),
        repository(v1::RepositoryService::NewStub(channel)),
        restore(v1::RestoreService::NewStub(channel)) {}

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::FleetService::Stub> fleet;
  std::unique_ptr<v1::PolicyService::Stub> policy;
  std::unique_ptr<v1::ReportService::Stub> report;
  std::unique_ptr<v1::AccessService::Stub> access;
  std::unique_ptr<v1::RepositoryService::Stub> repository;
  std::unique_ptr<v1::RestoreService::Stub> restore;
};

// Over TLS, with this token on every call; without one if it is empty.
AdminStubs ConnectAdmin(const std::string& address, const std::string& ca_pem,
                        const std::string& token);

// A server that a test owns: `init` once, then started and stopped at will.
class TestServer {
 public:
  struct Options {
    bool single_admin = true;
    config::v1::Limits limits;
    absl::Duration upload_idle = storage::kPackIdle;
    // A PostgreSQL of the server's own, as sites without one have, instead of a
    // database in the one that the process's tests share.
    bool private_postgres = false;
  };

  TestServer();
  ~TestServer();

  // Once, before Start.
  absl::Status Init(const Options& options);
  // In place of Init: another server of the organization of `first`, which has started
  // once. What `change` does comes last.
  struct JoinWords {
    std::string database;
    std::string repository;
    std::string kek_file;
  };
  absl::Status Join(
      const TestServer& first, const std::function<void(JoinWords&)>& change = [](JoinWords&) {});
  absl::Status Start();
  void Stop(absl::Duration grace = absl::Seconds(5));

  server::Server& server() { return *server_; }
  ShiftedClock& clock() { return clock_; }
  MemoryLog& log() { return log_; }
  const server::StateDir& dir() const { return dir_; }
  const server::Endpoints& endpoints() const { return server_->endpoints(); }
  // Empty with a private PostgreSQL.
  std::string database_url() const { return database_ == nullptr ? "" : database_->url(); }
  std::string ca() const;           // PEM.
  std::string admin_token() const;  // Without a line end.
  config::v1::Limits& limits() { return options_.limits; }

  // Over TLS, with this token on every call; without one if it is empty.
  AdminStubs Admin(const std::string& token);

 private:
  TempDir temp_;
  server::StateDir dir_;
  ShiftedClock clock_;
  SystemRandom random_;
  MemoryLog log_;
  Options options_;
  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<server::Server> server_;
};

// With one server that runs, and the steps that most tests begin with.
class ServerFixture : public ::testing::Test {
 protected:
  void SetUp() override { SetUpServer({}); }
  void SetUpServer(const TestServer::Options& options);
  void TearDown() override;

  TestServer& server() { return server_; }
  AdminStubs& admin() { return *admin_; }
  Random& random() { return random_; }
  OpContext ctx() { return {.deadline = absl::Now() + absl::Minutes(2), .stop = {}}; }
  // The database beside the server.
  storage::PgCatalog& catalog() { return *catalog_; }

  std::string Invite(std::uint32_t uses = 1, std::uint64_t lifetime_seconds = 0);
  std::unique_ptr<TestAgent> Enroll(const std::string& hostname = "desk");
  void AddPerson(const std::string& handle);
  absl::Status Assign(const std::string& serial, const std::string& handle);
  absl::Status Admit(const std::string& serial, const AgentId& agent);
  // Another account, which may do all that admin may. Returns its token.
  std::string AddAccount(const std::string& name);
  // Actions of the audit trail, oldest first.
  std::vector<std::string> AuditActions();

 private:
  SystemClock system_clock_;
  SystemRandom random_;
  TestServer server_;
  std::unique_ptr<AdminStubs> admin_;
  std::unique_ptr<storage::PgCatalog> catalog_;
};

}  // namespace mooring::testing
