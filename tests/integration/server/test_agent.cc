#include "tests/integration/server/test_agent.h"

#include <chrono>
#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "proto/invitation_token.h"
#include "proto/protocol_version.h"
#include "proto/rpc_status.h"
#include "storage/base/status.h"

namespace mooring::testing {

TestKey MakeTestKey(const std::string& curve) {
  EVP_PKEY* const key = EVP_EC_gen(curve.c_str());
  X509_REQ* const request = X509_REQ_new();
  X509_REQ_set_pubkey(request, key);
  X509_REQ_sign(request, key, EVP_sha256());
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request, &der);
  TestKey made;
  made.csr.assign(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio, &text);
  made.private_pem.assign(text, static_cast<std::size_t>(length));
  BIO_free(bio);
  OPENSSL_free(der);
  X509_REQ_free(request);
  EVP_PKEY_free(key);
  return made;
}

absl::StatusOr<std::unique_ptr<TestAgent>> TestAgent::Enroll(const std::string& token,
                                                             const std::string& ca_pem,
                                                             const std::string& hostname,
                                                             Random& random) {
  MOORING_ASSIGN_OR_RETURN(const v1::Invitation invitation, ParseInvitationToken(token));
  MOORING_ASSIGN_OR_RETURN(auto hpke, storage::MakeHpkeKeyPair(random));
  auto agent = std::unique_ptr<TestAgent>(new TestAgent(std::move(hpke), random));
  TestKey key = MakeTestKey();
  agent->private_key_ = std::move(key.private_pem);
  agent->ca_ = ca_pem;
  auto channel = grpc::CreateChannel(
      invitation.address(),
      grpc::SslCredentials(
          {.pem_root_certs = ca_pem, .pem_private_key = "", .pem_cert_chain = ""}));
  auto stub = v1::EnrollmentService::NewStub(channel);
  grpc::ClientContext context;
  v1::EnrollRequest request;
  request.set_secret(invitation.secret());
  request.set_csr(key.csr);
  request.set_hpke_public_key(ToString(agent->hpke_.public_key));
  request.set_hostname(hostname);
  request.set_agent_version("test");
  request.set_protocol_version(kProtocolVersion);
  MOORING_RETURN_IF_ERROR(FromGrpcStatus(stub->Enroll(&context, request, &agent->enrolled_)));
  agent->id_ = *AgentId::FromBytes(agent->enrolled_.agent_id());
  agent->Connect();
  return agent;
}

void TestAgent::Connect() {
  // A channel of its own: another agent's in this process must not be shared.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(16 << 20);
  channel_ = grpc::CreateCustomChannel(
      enrolled_.address(),
      grpc::SslCredentials({.pem_root_certs = ca_,
                            .pem_private_key = private_key_,
                            .pem_cert_chain = enrolled_.certificate_chain()}),
      arguments);
  agent_ = v1::AgentService::NewStub(channel_);
  backup_ = v1::BackupService::NewStub(channel_);
  restore_ = v1::RestoreService::NewStub(channel_);
}

void TestAgent::GoTo(const std::string& address) {
  enrolled_.set_address(address);
  Connect();
}

absl::Status TestAgent::Renew() {
  TestKey key = MakeTestKey();
  grpc::ClientContext context;
  v1::RenewCertificateRequest request;
  request.set_csr(key.csr);
  v1::RenewCertificateResponse response;
  MOORING_RETURN_IF_ERROR(FromGrpcStatus(agent_->RenewCertificate(&context, request, &response)));
  private_key_ = std::move(key.private_pem);
  enrolled_.set_certificate_chain(response.certificate_chain());
  Connect();
  return absl::OkStatus();
}

absl::StatusOr<v1::BeginBackupResponse> TestAgent::Begin(const std::string& serial,
                                                         const std::string& idempotency_key) {
  grpc::ClientContext context;
  v1::BeginBackupRequest request;
  request.set_idempotency_key(idempotency_key);
  request.mutable_device()->set_serial(serial);
  request.mutable_device()->set_platform(v1::PLATFORM_IOS);
  request.mutable_device()->set_name("Phone");
  request.add_captures(v1::CAPTURE_KIND_FULL);
  v1::BeginBackupResponse response;
  MOORING_RETURN_IF_ERROR(FromGrpcStatus(backup_->BeginBackup(&context, request, &response)));
  return response;
}

absl::StatusOr<storage::BegunSession> TestAgent::BeginAndOpen(const std::string& serial) {
  MOORING_ASSIGN_OR_RETURN(const v1::BeginBackupResponse response,
                           Begin(serial, SessionId::Make(random_).bytes()));
  if (!response.has_granted()) return absl::UnavailableError("queued");
  return Open(response.granted());
}

absl::StatusOr<storage::BegunSession> TestAgent::Open(const v1::SessionGrant& grant) {
  MOORING_ASSIGN_OR_RETURN(
      const SecretBytes plain,
      storage::HpkeOpen(hpke_.private_key, "mooring/session-keys/1", AsBytes(grant.session_id()),
                        AsBytes(grant.sealed_session_keys())));
  v1::SessionKeys keys;
  if (!keys.ParseFromString(ToString(plain.view()))) return absl::DataLossError("session keys");
  storage::BegunSession begun;
  begun.session = *SessionId::FromBytes(grant.session_id());
  begun.snapshot = *SnapshotId::FromBytes(grant.snapshot_id());
  begun.device = *DeviceId::FromBytes(grant.device_id());
  begun.sequence = grant.sequence();
  const auto domain = [](const std::string& id, const std::string& secret,
                         const std::string& chunker) {
    storage::DomainKeys made;
    made.id = *DomainId::FromBytes(id);
    made.domain_secret = SecretBytes::CopyOf(AsBytes(secret));
    made.chunker_secret = SecretBytes::CopyOf(AsBytes(chunker));
    return made;
  };
  begun.person_domain = domain(keys.domain_id(), keys.domain_secret(), keys.chunker_secret());
  begun.organization_domain =
      domain(keys.organization_domain_id(), keys.organization_domain_secret(),
             keys.organization_chunker_secret());
  begun.snapshot_key = SecretBytes::CopyOf(AsBytes(keys.snapshot_key()));
  if (grant.has_base()) {
    begun.base = storage::BegunSession::Base{
        .snapshot = *SnapshotId::FromBytes(grant.base().snapshot_id()),
        .root = ToBytes(grant.base().root()),
        .snapshot_key = SecretBytes::CopyOf(AsBytes(keys.base_snapshot_key()))};
  }
  return begun;
}

TestControl::TestControl(TestAgent& agent, std::uint32_t protocol_version) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  stream_ = agent.agent().Control(&context_);
  v1::ControlRequest hello;
  hello.mutable_hello()->set_agent_version("test");
  hello.mutable_hello()->set_protocol_version(protocol_version == 0 ? kProtocolVersion
                                                                    : protocol_version);
  hello.mutable_hello()->set_hostname("desk");
  hello.mutable_hello()->set_os("test");
  stream_->Write(hello);
}

TestControl::~TestControl() {
  if (finished_) return;
  context_.TryCancel();
  Finish().IgnoreError();
}

absl::StatusOr<v1::ServerHello> TestControl::hello() {
  MOORING_ASSIGN_OR_RETURN(const auto order, Next(v1::ControlResponse::kHello));
  return order.hello();
}

absl::StatusOr<v1::DeviceStanding> TestControl::Attach(const std::string& serial) {
  v1::ControlRequest event;
  event.mutable_device_attached()->set_serial(serial);
  event.mutable_device_attached()->set_platform(v1::PLATFORM_IOS);
  event.mutable_device_attached()->set_name("Phone");
  event.mutable_device_attached()->set_model("iPhone15,2");
  event.mutable_device_attached()->set_os_version("17.5");
  stream_->Write(event);
  for (;;) {
    MOORING_ASSIGN_OR_RETURN(const auto order, Next(v1::ControlResponse::kStanding));
    if (order.standing().serial() == serial) return order.standing();
  }
}

absl::StatusOr<v1::ControlResponse> TestControl::Next(v1::ControlResponse::OrderCase kind) {
  v1::ControlResponse order;
  while (stream_->Read(&order)) {
    if (order.order_case() == kind) return order;
  }
  const absl::Status end = Finish();
  return end.ok() ? absl::UnavailableError("the stream ended") : end;
}

absl::Status TestControl::Finish() {
  finished_ = true;
  stream_->WritesDone();
  v1::ControlResponse order;
  while (stream_->Read(&order)) {
  }
  return FromGrpcStatus(stream_->Finish());
}

}  // namespace mooring::testing
