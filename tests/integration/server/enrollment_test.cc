// Enrollment, certificates and revocation, over real TLS.

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include "proto/invitation_token.h"
#include "proto/protocol_version.h"
#include "proto/rpc_status.h"
#include "server/auth/certificate_authority.h"
#include "storage/catalog/agent_store.h"
#include "tests/integration/server/server_fixture.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class EnrollmentTest : public ServerFixture {
 protected:
  absl::Status TryEnroll(const std::string& token) {
    return TestAgent::Enroll(token, server().ca(), "desk", random()).status();
  }

  absl::Status EnrollRaw(v1::EnrollRequest request) {
    auto stub = v1::EnrollmentService::NewStub(server().Admin("").channel);
    const auto invitation = ParseInvitationToken(Invite());
    if (request.secret().empty()) request.set_secret(invitation->secret());
    if (request.hostname().empty()) request.set_hostname("desk");
    if (request.hpke_public_key().empty()) request.set_hpke_public_key(std::string(32, 'k'));
    if (request.protocol_version() == 0) request.set_protocol_version(kProtocolVersion);
    grpc::ClientContext context;
    v1::EnrollResponse response;
    return FromGrpcStatus(stub->Enroll(&context, request, &response));
  }

  // Any call of an agent.
  static absl::Status Call(TestAgent& agent) {
    grpc::ClientContext context;
    v1::AbortBackupRequest request;
    request.set_session_id(std::string(16, 'x'));
    v1::AbortBackupResponse response;
    return FromGrpcStatus(agent.backup().AbortBackup(&context, request, &response));
  }
};

TEST_F(EnrollmentTest, AnInvitationMakesAnAgentThatIsKnown) {
  const auto agent = Enroll("desk-7");
  ASSERT_NE(agent, nullptr);
  EXPECT_EQ(agent->enrolled().organization(), "Test Inc.");
  EXPECT_EQ(agent->enrolled().address(), server().endpoints().agents);
  EXPECT_EQ(agent->enrolled().ca_certificate(), server().ca());
  const auto expires = server::CertificateExpiry(agent->enrolled().certificate_chain());
  ASSERT_TRUE(expires.ok());
  EXPECT_NEAR(absl::ToDoubleHours(*expires - absl::Now()), 7 * 24, 0.1);
  // Known, and has no such session: the call went through to the handler.
  EXPECT_EQ(Call(*agent).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(AuditActions(), Contains("agent.enroll"));
  EXPECT_THAT(AuditActions(), Contains("invitation.create"));
}

TEST_F(EnrollmentTest, EveryBadInvitationSaysWhatIsWrongWithIt) {
  v1::Invitation unknown = *ParseInvitationToken(Invite());
  unknown.set_secret(std::string(kInvitationSecretBytes, 'z'));
  const absl::Status not_known = TryEnroll(MakeInvitationToken(unknown));
  EXPECT_EQ(not_known.code(), absl::StatusCode::kNotFound) << not_known;

  const std::string once = Invite(1);
  EXPECT_TRUE(TryEnroll(once).ok());
  const absl::Status used = TryEnroll(once);
  EXPECT_EQ(used.code(), absl::StatusCode::kResourceExhausted) << used;
  EXPECT_THAT(std::string(used.message()), HasSubstr("used"));

  const std::string short_lived = Invite(1, 60);
  server().clock().Advance(absl::Minutes(2));
  const absl::Status expired = TryEnroll(short_lived);
  EXPECT_EQ(expired.code(), absl::StatusCode::kFailedPrecondition) << expired;
  EXPECT_THAT(std::string(expired.message()), HasSubstr("expired"));

  const std::string revoked_token = Invite(5);
  grpc::ClientContext list_context;
  v1::ListInvitationsResponse list;
  ASSERT_TRUE(admin().fleet->ListInvitations(&list_context, {}, &list).ok());
  v1::RevokeInvitationRequest revoke;
  for (const auto& invitation : list.invitations()) {
    if (invitation.uses_max() == 5) revoke.set_id(invitation.id());
  }
  grpc::ClientContext revoke_context;
  v1::RevokeInvitationResponse revoked_response;
  ASSERT_TRUE(admin().fleet->RevokeInvitation(&revoke_context, revoke, &revoked_response).ok());
  const absl::Status revoked = TryEnroll(revoked_token);
  EXPECT_EQ(revoked.code(), absl::StatusCode::kPermissionDenied) << revoked;
  EXPECT_THAT(std::string(revoked.message()), HasSubstr("revoked"));
}

TEST_F(EnrollmentTest, GuessingSecretsIsBounded) {
  v1::Invitation guess = *ParseInvitationToken(Invite());
  absl::Status last;
  for (int i = 0; i < 40 && !absl::IsResourceExhausted(last); ++i) {
    guess.set_secret(std::string(kInvitationSecretBytes, static_cast<char>('A' + i)));
    last = TryEnroll(MakeInvitationToken(guess));
  }
  EXPECT_EQ(last.code(), absl::StatusCode::kResourceExhausted) << last;
  server().clock().Advance(absl::Minutes(2));
  EXPECT_TRUE(TryEnroll(Invite()).ok());
}

TEST_F(EnrollmentTest, BadRequestsSpendNoUse) {
  v1::EnrollRequest request;
  request.set_csr("garbage");
  EXPECT_THAT(std::string(EnrollRaw(request).message()), HasSubstr("not PKCS#10"));
  request.set_csr(std::string(9000, '\x30'));
  EXPECT_THAT(std::string(EnrollRaw(request).message()), HasSubstr("at most 8192"));
  request.set_csr(MakeTestKey("P-384").csr);
  EXPECT_THAT(std::string(EnrollRaw(request).message()), HasSubstr("not on P-256"));
  std::string forged = MakeTestKey().csr;
  forged[forged.size() - 1] = static_cast<char>(forged[forged.size() - 1] ^ 1);
  request.set_csr(forged);
  EXPECT_FALSE(EnrollRaw(request).ok());
  request.set_csr(MakeTestKey().csr);
  request.set_protocol_version(kProtocolVersion + 1);
  EXPECT_THAT(std::string(EnrollRaw(request).message()), HasSubstr("one version behind"));
  grpc::ClientContext context;
  v1::ListInvitationsResponse list;
  ASSERT_TRUE(admin().fleet->ListInvitations(&context, {}, &list).ok());
  for (const auto& invitation : list.invitations()) EXPECT_EQ(invitation.uses(), 0U);
}

TEST_F(EnrollmentTest, AnotherCaIsNotTrusted) {
  auto other = server::CertificateAuthority::Create("Evil", absl::Now(), random());
  ASSERT_TRUE(other.ok());
  const auto agent = TestAgent::Enroll(Invite(), other->certificate, "desk", random());
  EXPECT_EQ(agent.status().code(), absl::StatusCode::kUnavailable) << agent.status();
}

TEST_F(EnrollmentTest, TheAgentsPortWantsACertificateOfOurs) {
  auto channel = grpc::CreateChannel(
      server().endpoints().agents,
      grpc::SslCredentials(
          {.pem_root_certs = server().ca(), .pem_private_key = "", .pem_cert_chain = ""}));
  auto stub = v1::BackupService::NewStub(channel);
  grpc::ClientContext context;
  v1::BeginBackupResponse response;
  const grpc::Status status = stub->BeginBackup(&context, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
}

TEST_F(EnrollmentTest, ARevokedAgentIsRefusedOnItsNextCall) {
  const auto agent = Enroll();
  TestControl control(*agent);
  ASSERT_TRUE(control.hello().ok());
  ASSERT_EQ(Call(*agent).code(), absl::StatusCode::kNotFound);
  grpc::ClientContext context;
  v1::RevokeAgentRequest request;
  request.set_agent_id(agent->id().bytes());
  request.set_reason("stolen");
  v1::RevokeAgentResponse response;
  ASSERT_TRUE(admin().fleet->RevokeAgent(&context, request, &response).ok());
  const absl::Status refused = Call(*agent);
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("revoked"));
  // Its control stream is ended, too.
  EXPECT_EQ(control.Finish().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(AuditActions(), Contains("agent.revoke"));
}

TEST_F(EnrollmentTest, AnExpiredCertificateIsRefused) {
  const auto agent = Enroll();
  server().clock().Advance(absl::Hours(24 * 8));
  EXPECT_EQ(Call(*agent).code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(EnrollmentTest, ARenewedCertificateEndsTheOneBefore) {
  const auto agent = Enroll();
  const std::string before = agent->enrolled().certificate_chain();
  const absl::Status renewed = agent->Renew();
  ASSERT_TRUE(renewed.ok()) << renewed;
  EXPECT_NE(agent->enrolled().certificate_chain(), before);
  EXPECT_EQ(Call(*agent).code(), absl::StatusCode::kNotFound);
  const auto old_key = server::CertificateKeyHash(before);
  ASSERT_TRUE(old_key.ok());
  const absl::Status read = catalog().Run(ctx(), [&](storage::Transaction& tx) {
    const auto found = tx.agents().FindByKeyHash(*old_key);
    EXPECT_TRUE(found.ok() && !found->has_value());
    return absl::OkStatus();
  });
  EXPECT_TRUE(read.ok());
  EXPECT_THAT(AuditActions(), Contains("agent.renew"));
}

TEST_F(EnrollmentTest, AnAgentOfTheWrongProtocolIsToldSo) {
  const auto agent = Enroll();
  TestControl control(*agent, kProtocolVersion + 7);
  const auto hello = control.hello();
  EXPECT_EQ(hello.status().code(), absl::StatusCode::kFailedPrecondition) << hello.status();
  EXPECT_THAT(std::string(hello.status().message()), HasSubstr("one version behind"));
}

TEST_F(EnrollmentTest, NothingSecretIsLogged) {
  const std::string token = Invite();
  ASSERT_TRUE(TryEnroll(token).ok());
  const std::string log = server().log().text();
  EXPECT_THAT(log, HasSubstr("agent.enroll"));
  EXPECT_EQ(log.find(token.substr(kInvitationPrefix.size(), 24)), std::string::npos);
  EXPECT_EQ(log.find(server().admin_token()), std::string::npos);
}

}  // namespace
}  // namespace mooring::testing
