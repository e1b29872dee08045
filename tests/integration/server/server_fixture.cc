#include "tests/integration/server/server_fixture.h"

#include <iostream>
#include <map>
#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "proto/rpc_status.h"
#include "server/auth/authenticator.h"
#include "server/config/init.h"
#include "server/config/join.h"
#include "server/config/server_config.h"
#include "server/rpc/tls.h"
#include "storage/catalog/account_store.h"
#include "storage/seal/digest.h"

namespace mooring::testing {
namespace {

// gRPC reads the environment once, before the first channel.
const bool kTls13 = [] {
  server::RequireTls13();
  return true;
}();

// Puts the token on every call.
class TokenPlugin final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit TokenPlugin(std::string token) : token_(std::move(token)) {}
  grpc::Status GetMetadata(grpc::string_ref, grpc::string_ref, const grpc::AuthContext&,
                           std::multimap<grpc::string, grpc::string>* metadata) override {
    metadata->emplace("authorization", "Bearer " + token_);
    return grpc::Status::OK;
  }

 private:
  const std::string token_;
};

OpContext Soon(Clock& clock) {
  return {.deadline = clock.Now() + absl::Minutes(2), .stop = {}};
}

}  // namespace

void MemoryLog::Write(server::LogLevel level, std::string_view event,
                      std::initializer_list<server::LogField> fields) {
  const std::string line = server::FormatLogLine(absl::Now(), level, event, fields);
  MutexLock lock(mutex_);
  text_ += line + "\n";
}

std::string MemoryLog::text() {
  MutexLock lock(mutex_);
  return text_;
}

TestServer::TestServer() : dir_(temp_.path() + "/server") {
  EXPECT_TRUE(kTls13);
}

TestServer::~TestServer() {
  Stop(absl::ZeroDuration());
}

absl::Status TestServer::Init(const Options& options) {
  options_ = options;
  if (!options.private_postgres) {
    auto database = TestDatabase::MakeEmpty();
    if (!database.ok()) return database.status();
    database_ = *std::move(database);
  }
  config::v1::ServerConfig config;
  config.set_organization("Test Inc.");
  config.set_single_admin(options.single_admin);
  config.set_database_url(database_url());
  config.mutable_listen()->set_agents("127.0.0.1:0");
  config.mutable_listen()->set_enrollment("127.0.0.1:0");
  config.mutable_listen()->set_metrics("127.0.0.1:0");
  const server::InitEnvironment environment{RealFileSystem(), clock_, random_,
                                            [](const std::string&) {}};
  return server::InitServer(Soon(clock_), environment, dir_, config);
}

absl::Status TestServer::Join(const TestServer& first,
                              const std::function<void(JoinWords&)>& change) {
  JoinWords words{.database = first.database_url(),
                  .repository = first.dir().repository(),
                  .kek_file = first.dir().kek()};
  change(words);
  config::v1::ServerConfig config;
  config.set_database_url(words.database);
  config.set_repository(words.repository);
  config.mutable_listen()->set_agents("127.0.0.1:0");
  config.mutable_listen()->set_enrollment("127.0.0.1:0");
  config.mutable_listen()->set_metrics("127.0.0.1:0");
  const server::InitEnvironment environment{RealFileSystem(), clock_, random_,
                                            [](const std::string&) {}};
  return server::JoinServer(Soon(clock_), environment, dir_, words.kek_file, config);
}

absl::Status TestServer::Start() {
  auto config = server::LoadServerConfig(RealFileSystem(), dir_.config(), dir_);
  if (!config.ok()) return config.status();
  config->mutable_limits()->MergeFrom(options_.limits);
  const server::ServerEnvironment environment{RealFileSystem(), clock_, random_, log_};
  auto started =
      server::Server::Start(Soon(clock_), environment, dir_, *config, options_.upload_idle);
  if (!started.ok()) return started.status();
  server_ = *std::move(started);
  return absl::OkStatus();
}

void TestServer::Stop(absl::Duration grace) {
  if (server_ == nullptr) return;
  server_->Stop(grace);
  server_.reset();
}

std::string TestServer::ca() const {
  return ReadText(dir_.ca_certificate());
}

std::string TestServer::admin_token() const {
  std::string token = ReadText(dir_.admin_token());
  while (!token.empty() && token.back() == '\n') token.pop_back();
  return token;
}

AdminStubs ConnectAdmin(const std::string& address, const std::string& ca_pem,
                        const std::string& token) {
  auto credentials =
      grpc::SslCredentials({.pem_root_certs = ca_pem, .pem_private_key = "", .pem_cert_chain = ""});
  if (!token.empty()) {
    credentials = grpc::CompositeChannelCredentials(
        credentials, grpc::MetadataCredentialsFromPlugin(std::make_unique<TokenPlugin>(token)));
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return AdminStubs(grpc::CreateCustomChannel(address, std::move(credentials), arguments));
}

AdminStubs TestServer::Admin(const std::string& token) {
  return ConnectAdmin(endpoints().enrollment, ca(), token);
}

void ServerFixture::SetUpServer(const TestServer::Options& options) {
  const absl::Status made = server_.Init(options);
  ASSERT_TRUE(made.ok()) << made;
  const absl::Status started = server_.Start();
  ASSERT_TRUE(started.ok()) << started;
  admin_ = std::make_unique<AdminStubs>(server_.Admin(server_.admin_token()));
  if (server_.database_url().empty()) return;
  storage::PgCatalogOptions catalog_options;
  catalog_options.url = server_.database_url();
  catalog_options.refuse_unsafe = false;
  auto catalog = storage::PgCatalog::Open(ctx(), catalog_options, system_clock_, random_);
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  catalog_ = *std::move(catalog);
}

void ServerFixture::TearDown() {
  if (HasFailure()) std::cerr << server_.log().text();
  admin_.reset();
  server_.Stop();
  catalog_.reset();
}

std::string ServerFixture::Invite(std::uint32_t uses, std::uint64_t lifetime_seconds) {
  grpc::ClientContext context;
  v1::CreateInvitationRequest request;
  request.set_uses_max(uses);
  request.set_lifetime_seconds(lifetime_seconds);
  v1::CreateInvitationResponse response;
  const grpc::Status status = admin().fleet->CreateInvitation(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.token();
}

std::unique_ptr<TestAgent> ServerFixture::Enroll(const std::string& hostname) {
  auto agent = TestAgent::Enroll(Invite(), server().ca(), hostname, random());
  EXPECT_TRUE(agent.ok()) << agent.status();
  return agent.ok() ? *std::move(agent) : nullptr;
}

void ServerFixture::AddPerson(const std::string& handle) {
  grpc::ClientContext context;
  v1::CreatePersonRequest request;
  request.set_handle(handle);
  request.set_name(handle);
  v1::CreatePersonResponse response;
  const grpc::Status status = admin().fleet->CreatePerson(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

absl::Status ServerFixture::Assign(const std::string& serial, const std::string& handle) {
  grpc::ClientContext context;
  v1::AssignDeviceRequest request;
  request.set_device(serial);
  request.set_person_handle(handle);
  v1::AssignDeviceResponse response;
  return FromGrpcStatus(admin().fleet->AssignDevice(&context, request, &response));
}

absl::Status ServerFixture::Admit(const std::string& serial, const AgentId& agent) {
  grpc::ClientContext context;
  v1::AdmitDeviceRequest request;
  request.set_device(serial);
  request.set_agent_id(agent.bytes());
  v1::AdmitDeviceResponse response;
  return FromGrpcStatus(admin().fleet->AdmitDevice(&context, request, &response));
}

std::string ServerFixture::AddAccount(const std::string& name) {
  const std::string token = std::string(server::kApiTokenPrefix) + "token-of-" + name;
  const auto hash = storage::Sha256(AsBytes(token));
  const absl::Status added = catalog().Run(ctx(), [&](storage::Transaction& tx) {
    const absl::Status created = tx.accounts().Create({name, absl::Now()});
    storage::ApiTokenRecord record;
    record.token_hash.assign(hash.begin(), hash.end());
    record.account = name;
    record.permissions = {v1::PERMISSION_VIEW, v1::PERMISSION_OPERATE, v1::PERMISSION_POLICY,
                          v1::PERMISSION_APPROVE, v1::PERMISSION_GRANT};
    record.created_at = absl::Now();
    record.expires_at = absl::Now() + absl::Hours(240);
    return created.ok() ? tx.accounts().AddToken(record) : created;
  });
  EXPECT_TRUE(added.ok()) << added;
  return token;
}

std::vector<std::string> ServerFixture::AuditActions() {
  std::vector<std::string> actions;
  const absl::Status read = catalog().Run(ctx(), [&](storage::Transaction& tx) {
    actions.clear();
    const auto records = tx.AuditSince(0, 10'000);
    if (records.ok()) {
      for (const auto& record : *records) actions.push_back(record.record.action);
    }
    return records.status();
  });
  EXPECT_TRUE(read.ok()) << read;
  return actions;
}

}  // namespace mooring::testing
