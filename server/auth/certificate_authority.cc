#include "server/auth/certificate_authority.h"

#include <algorithm>
#include <utility>

#include <absl/strings/ascii.h>
#include <fmt/format.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "server/auth/x509.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

bool IsAddress(const std::string& name) {
  ASN1_OCTET_STRING* const address = a2i_IPADDRESS(name.c_str());
  ASN1_OCTET_STRING_free(address);
  return address != nullptr;
}

bool IsDnsName(const std::string& name) {
  if (name.empty() || name.size() > 253) return false;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (!absl::ascii_isalnum(byte) && c != '-' && c != '.' && c != '_') return false;
  }
  return true;
}

// "DNS:a,IP:b" for OpenSSL, whose syntax gives commas a meaning.
absl::StatusOr<std::string> AlternativeNames(const std::vector<std::string>& names) {
  std::string result;
  for (const std::string& name : names) {
    const bool address = IsAddress(name);
    if (!address && !IsDnsName(name)) {
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" is neither a host name nor an address", name));
    }
    result += fmt::format("{}{}:{}", result.empty() ? "" : ",", address ? "IP" : "DNS", name);
  }
  return result;
}

}  // namespace

CertificateAuthority::CertificateAuthority(std::string certificate, CertificateHandle x509,
                                           KeyHandle key, Bytes pin, Random& random)
    : certificate_(std::move(certificate)),
      x509_(std::move(x509)),
      key_(std::move(key)),
      pin_(std::move(pin)),
      random_(random) {}

absl::StatusOr<CertificateAuthority::NewAuthority> CertificateAuthority::Create(
    const std::string& organization, absl::Time now, Random& random) {
  MOORING_ASSIGN_OR_RETURN(const KeyHandle key, MakeP256Key());
  const CertificateProfile profile{.common_name = "Mooring CA",
                                   .organization = organization,
                                   .not_before = now - kBackdating,
                                   .not_after = now + kCaLifetime,
                                   .basic_constraints = "critical,CA:TRUE,pathlen:0",
                                   .key_usage = "critical,keyCertSign,cRLSign",
                                   .extended_key_usage = "",
                                   .alternative_names = ""};
  MOORING_ASSIGN_OR_RETURN(const CertificateHandle certificate,
                           IssueCertificate(profile, key.get(), nullptr, key.get(), random));
  NewAuthority made;
  MOORING_ASSIGN_OR_RETURN(made.certificate, CertificatePem(certificate.get()));
  MOORING_ASSIGN_OR_RETURN(made.private_key, PrivateKeyDer(key));
  return made;
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> CertificateAuthority::Load(
    const std::string& certificate, const SecretBytes& private_key, Random& random) {
  MOORING_ASSIGN_OR_RETURN(CertificateHandle x509, CertificateFromPem(certificate));
  MOORING_ASSIGN_OR_RETURN(KeyHandle key, PrivateKeyFromDer(private_key));
  if (X509_check_private_key(x509.get(), key.get()) != 1) {
    return absl::DataLossError("the CA's key is not of its certificate");
  }
  MOORING_ASSIGN_OR_RETURN(Bytes pin, HashPublicKey(key.get()));
  return std::unique_ptr<CertificateAuthority>(new CertificateAuthority(
      certificate, std::move(x509), std::move(key), std::move(pin), random));
}

absl::Time CertificateAuthority::expires_at() const {
  return NotAfter(x509_.get());
}

absl::StatusOr<IssuedCertificate> CertificateAuthority::IssueAgent(
    const AgentId& agent, const CertificateRequest& request, absl::Time now) {
  const CertificateProfile profile{
      .common_name = "agent " + agent.hex(),
      .organization = "",
      .not_before = now - kBackdating,
      .not_after = std::min(now + kAgentCertificateLifetime, expires_at()),
      .basic_constraints = "critical,CA:FALSE",
      .key_usage = "critical,digitalSignature",
      .extended_key_usage = "clientAuth",
      .alternative_names = "URI:urn:mooring:agent:" + agent.hex()};
  MOORING_ASSIGN_OR_RETURN(
      const CertificateHandle certificate,
      IssueCertificate(profile, request.key().get(), x509_.get(), key_.get(), random_));
  MOORING_ASSIGN_OR_RETURN(std::string pem, CertificatePem(certificate.get()));
  return IssuedCertificate{.chain = std::move(pem) + certificate_,
                           .expires_at = NotAfter(certificate.get())};
}

absl::StatusOr<IssuedServerCertificate> CertificateAuthority::IssueServer(
    const std::vector<std::string>& names, absl::Time now) {
  MOORING_ASSIGN_OR_RETURN(std::string alternative_names, AlternativeNames(names));
  const CertificateProfile profile{
      .common_name = "mooringd",
      .organization = "",
      .not_before = now - kBackdating,
      .not_after = std::min(now + kServerCertificateLifetime, expires_at()),
      .basic_constraints = "critical,CA:FALSE",
      .key_usage = "critical,digitalSignature",
      .extended_key_usage = "serverAuth",
      .alternative_names = std::move(alternative_names)};
  MOORING_ASSIGN_OR_RETURN(const KeyHandle key, MakeP256Key());
  MOORING_ASSIGN_OR_RETURN(const CertificateHandle certificate,
                           IssueCertificate(profile, key.get(), x509_.get(), key_.get(), random_));
  MOORING_ASSIGN_OR_RETURN(std::string pem, CertificatePem(certificate.get()));
  MOORING_ASSIGN_OR_RETURN(SecretBytes private_key, PrivateKeyPem(key));
  return IssuedServerCertificate{.certificate = {.chain = std::move(pem) + certificate_,
                                                 .expires_at = NotAfter(certificate.get())},
                                 .private_key = std::move(private_key)};
}

absl::StatusOr<absl::Time> CertificateExpiry(const std::string& pem) {
  MOORING_ASSIGN_OR_RETURN(const CertificateHandle certificate, CertificateFromPem(pem));
  return NotAfter(certificate.get());
}

absl::StatusOr<Bytes> CertificateKeyHash(const std::string& pem) {
  MOORING_ASSIGN_OR_RETURN(const CertificateHandle certificate, CertificateFromPem(pem));
  EVP_PKEY* const key = X509_get0_pubkey(certificate.get());
  if (key == nullptr) return absl::InvalidArgumentError("certificate without a usable key");
  return HashPublicKey(key);
}

}  // namespace mooring::server
