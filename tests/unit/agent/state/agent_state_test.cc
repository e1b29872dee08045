#include "agent/state/agent_state.h"

#include <gmock/gmock.h>

#include "agent/state/certificate.h"
#include "agent/state/openssl_handles.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/subprocess.h"

namespace mooring::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Issued {
  SecretBytes key;
  std::string certificate;
};

// A key and a certificate that it signed itself, valid from now for `days`.
Issued Issue(int days = 7) {
  auto made = agent::MakeKeyAndRequest("workstation");
  EXPECT_TRUE(made.ok()) << made.status();
  const std::string pem = ToString(made->private_key.view());
  const agent::BioHandle bio = agent::ReadBio(pem);
  const agent::KeyHandle key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  const agent::CertificateHandle certificate(X509_new());
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), days * 86'400L);
  X509_set_pubkey(certificate.get(), key.get());
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  const agent::BioHandle out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {std::move(made->private_key), std::string(data, static_cast<std::size_t>(size))};
}

class AgentStateTest : public ::testing::Test {
 protected:
  agent::AgentState MakeState() {
    const Issued issued = Issue();
    agent::AgentState state;
    state.config.set_server("localhost:7443");
    state.config.set_organization("Test Inc.");
    state.config.set_backup_on_attach(true);
    state.identity = {issued.certificate, issued.certificate, ToString(issued.key.view())};
    state.hpke_private_key = SecretBytes(32);
    return state;
  }

  TempDir dir_;
  FaultyFileSystem files_{RealFileSystem()};
  agent::StateDirectory state_{files_, dir_.path() + "/state"};
};

TEST_F(AgentStateTest, GivesBackWhatWasStored) {
  EXPECT_TRUE(absl::IsFailedPrecondition(state_.Load().status()));
  const agent::AgentState made = MakeState();
  ASSERT_TRUE(state_.Create(made).ok());
  const auto loaded = state_.Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.server(), "localhost:7443");
  EXPECT_TRUE(loaded->config.backup_on_attach());
  EXPECT_EQ(loaded->identity.private_key, made.identity.private_key);
  EXPECT_EQ(loaded->hpke_private_key.size(), 32U);
}

TEST_F(AgentStateTest, KeepsTheServersThatItLearned) {
  agent::AgentState made = MakeState();
  made.config.add_servers("second:7443");
  made.learned_servers = {"localhost:7443", "third:7443"};
  ASSERT_TRUE(state_.Create(made).ok());
  EXPECT_THAT(state_.Load()->AllServers(),
              ElementsAre("localhost:7443", "second:7443", "third:7443"));
  ASSERT_TRUE(state_.SaveServers({"fourth:7443"}).ok());
  EXPECT_THAT(state_.Load()->AllServers(),
              ElementsAre("localhost:7443", "second:7443", "fourth:7443"));
  // What is no address is passed over.
  ASSERT_TRUE(state_.SaveServers({"no address", "fifth:7443", ":1", "sixth:"}).ok());
  EXPECT_THAT(state_.Load()->AllServers(),
              ElementsAre("localhost:7443", "second:7443", "fifth:7443"));
  // Older agents had no such file, and it may go.
  ASSERT_TRUE(RealFileSystem().Remove(state_.File("servers")).ok());
  EXPECT_THAT(state_.Load()->AllServers(), ElementsAre("localhost:7443", "second:7443"));
}

TEST_F(AgentStateTest, AnEnrollmentThatWasCutOffIsNone) {
  const agent::AgentState made = MakeState();
  for (std::uint64_t n = 1;; ++n) {
    TempDir dir;
    agent::StateDirectory state(files_, dir.path() + "/state");
    files_.FailFrom(n);
    const bool created = state.Create(made).ok();
    files_.Heal();
    if (created) break;
    EXPECT_TRUE(!state.IsEnrolled() || state.Load().ok()) << "call " << n;
    ASSERT_LT(n, 200U);
  }
}

TEST_F(AgentStateTest, ARenewalThatIsCutOffAnywhereLeavesAPairThatFits) {
  ASSERT_TRUE(state_.Create(MakeState()).ok());
  std::string before = state_.Load()->identity.certificate_chain;
  int old_pairs = 0;
  int new_pairs = 0;
  for (std::uint64_t n = 1;; ++n) {
    const Issued next = Issue();
    files_.FailFrom(n);
    const bool replaced = state_.ReplaceCertificate(next.key, next.certificate).ok();
    files_.Heal();
    const auto loaded = state_.Load();
    ASSERT_TRUE(loaded.ok()) << "call " << n << ": " << loaded.status();
    if (loaded->identity.certificate_chain == next.certificate) {
      ++new_pairs;
      before = next.certificate;
    } else {
      ++old_pairs;
      EXPECT_EQ(loaded->identity.certificate_chain, before);
      EXPECT_FALSE(replaced);
    }
    EXPECT_TRUE(agent::CertifiesKey(loaded->identity.certificate_chain,
                                    SecretBytes::CopyOf(AsBytes(loaded->identity.private_key))));
    if (replaced) break;
    ASSERT_LT(n, 200U);
  }
  EXPECT_GT(old_pairs, 0);
  EXPECT_GT(new_pairs, 0);
}

TEST_F(AgentStateTest, RefusesAConfigurationWithAnUnknownKey) {
  ASSERT_TRUE(state_.Create(MakeState()).ok());
  ASSERT_TRUE(
      WriteFileDurably(files_, state_.File("agent.yaml"), AsBytes("servr: localhost:1\n")).ok());
  EXPECT_THAT(std::string(state_.Load().status().message()), HasSubstr("servr"));
}

TEST_F(AgentStateTest, RefusesAKeyThatOthersCanRead) {
  const agent::AgentState made = MakeState();
  ASSERT_TRUE(state_.Create(made).ok());
  ASSERT_TRUE(
      WriteFileDurably(files_, state_.File("agent.key"), AsBytes(made.identity.private_key), 0644)
          .ok());
  EXPECT_TRUE(absl::IsPermissionDenied(state_.Load().status()));
}

TEST(CertificateTest, IsRenewedAfterAThirdOfItsLife) {
  const auto facts = agent::ReadCertificate(Issue(9).certificate);
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->renew_at - facts->not_before, absl::Hours(72));
  EXPECT_FALSE(agent::ReadCertificate("nonsense").ok());
}

}  // namespace
}  // namespace mooring::testing
