#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include "proto/protocol_version.h"
#include "server/auth/certificate_authority.h"
#include "server/auth/certificate_request.h"
#include "server/auth/x509.h"
#include "storage/base/random.h"
#include "tests/unit/server/csr.h"

namespace mooring::server {
namespace {

using ::testing::HasSubstr;

std::string Error(ByteView der) {
  return std::string(CertificateRequest::Parse(der).status().message());
}

TEST(CertificateRequestTest, TakesAP256RequestThatItsKeySigned) {
  const Bytes der = testing::MakeCsr("P-256");
  const auto request = CertificateRequest::Parse(der);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->key_hash().size(), 32U);
}

TEST(CertificateRequestTest, RefusesEverythingElse) {
  EXPECT_THAT(Error({}), HasSubstr("empty"));
  EXPECT_THAT(Error(Bytes(9000)), HasSubstr("at most"));
  EXPECT_THAT(Error(testing::MakeCsr("P-384")), HasSubstr("P-256"));
  Bytes der = testing::MakeCsr("P-256");
  Bytes longer = der;
  longer.push_back(std::byte{0});
  EXPECT_THAT(Error(longer), HasSubstr("after its end"));
  for (std::size_t cut = 1; cut < der.size(); ++cut) {
    EXPECT_FALSE(CertificateRequest::Parse(ByteView(der).first(cut)).ok()) << cut;
  }
  int accepted = 0;
  for (std::size_t i = 0; i < der.size(); ++i) {
    Bytes flipped = der;
    flipped[i] ^= std::byte{0x01};
    accepted += CertificateRequest::Parse(flipped).ok() ? 1 : 0;
  }
  EXPECT_EQ(accepted, 0) << "a changed request passed";
}

class AuthorityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = CertificateAuthority::Create("Example", now_, random_);
    ASSERT_TRUE(made.ok()) << made.status();
    auto loaded = CertificateAuthority::Load(made->certificate, made->private_key, random_);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    authority_ = *std::move(loaded);
  }

  SystemRandom random_;
  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::unique_ptr<CertificateAuthority> authority_;
};

TEST_F(AuthorityTest, AgentsGetAWeekForClientUseAlone) {
  const auto request = CertificateRequest::Parse(testing::MakeCsr("P-256"));
  ASSERT_TRUE(request.ok());
  const AgentId agent = AgentId::Make(random_);
  const auto issued = authority_->IssueAgent(agent, *request, now_);
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_EQ(issued->expires_at, now_ + kAgentCertificateLifetime);
  EXPECT_EQ(*CertificateKeyHash(issued->chain), request->key_hash());
  const auto certificate = CertificateFromPem(issued->chain);
  ASSERT_TRUE(certificate.ok());
  EXPECT_EQ(X509_get_extended_key_usage(certificate->get()),
            static_cast<std::uint32_t>(XKU_SSL_CLIENT));
  EXPECT_EQ(X509_check_ca(certificate->get()), 0);
  // The issuing CA follows.
  EXPECT_THAT(issued->chain, HasSubstr(authority_->certificate()));
}

TEST_F(AuthorityTest, ServersAreForTheirNamesAlone) {
  const auto issued = authority_->IssueServer({"localhost", "127.0.0.1", "backup.example"}, now_);
  ASSERT_TRUE(issued.ok()) << issued.status();
  const auto certificate = CertificateFromPem(issued->certificate.chain);
  ASSERT_TRUE(certificate.ok());
  X509* const x509 = certificate->get();
  EXPECT_EQ(X509_check_host(x509, "backup.example", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_ip_asc(x509, "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_host(x509, "other.example", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_get_extended_key_usage(x509), static_cast<std::uint32_t>(XKU_SSL_SERVER));
}

TEST_F(AuthorityTest, NamesThatWouldBreakOutOfTheExtensionAreRefused) {
  EXPECT_FALSE(authority_->IssueServer({"a,DNS:evil.example"}, now_).ok());
  EXPECT_FALSE(authority_->IssueServer({""}, now_).ok());
}

TEST_F(AuthorityTest, AKeyOfAnotherCaIsNotItsKey) {
  auto other = CertificateAuthority::Create("Other", now_, random_);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(CertificateAuthority::Load(authority_->certificate(), other->private_key, random_)
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
}

TEST(ProtocolVersionTest, TheServersOwnAndOneBelow) {
  EXPECT_TRUE(ServerAcceptsProtocol(5, 5));
  EXPECT_TRUE(ServerAcceptsProtocol(5, 4));
  EXPECT_FALSE(ServerAcceptsProtocol(5, 3));
  EXPECT_FALSE(ServerAcceptsProtocol(5, 6));
  EXPECT_FALSE(ServerAcceptsProtocol(1, 0));
}

}  // namespace
}  // namespace mooring::server
