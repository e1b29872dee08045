#include "tests/phones/iphone/preflight.h"

#include <memory>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

using X509Ptr = std::unique_ptr<X509, SslDeleter>;
using BioPtr = std::unique_ptr<BIO, SslDeleter>;

constexpr long kTenYearsSeconds = 10L * 365 * 24 * 3600;

// Apple's hosts leave subject and issuer empty.
absl::StatusOr<std::string> IssueCertificate(EVP_PKEY* subject, EVP_PKEY* issuer, bool is_ca) {
  const X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kTenYearsSeconds);
  X509_set_pubkey(certificate.get(), subject);
  X509_EXTENSION* constraint = X509V3_EXT_conf_nid(
      nullptr, nullptr, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  X509_add_ext(certificate.get(), constraint, -1);
  X509_EXTENSION_free(constraint);
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (X509_sign(certificate.get(), issuer, EVP_sha256()) == 0 ||
      PEM_write_bio_X509(bio.get(), certificate.get()) != 1) {
    return absl::InternalError("cannot issue a certificate for pairing");
  }
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(length));
}

}  // namespace

absl::StatusOr<HostPairing> MakeHostPairing(const PhoneKey& phone_key, const std::string& buid,
                                            const std::string& host_id,
                                            const std::string& wifi_address) {
  MOORING_ASSIGN_OR_RETURN(const PhoneKey root, PhoneKey::Make());
  MOORING_ASSIGN_OR_RETURN(const PhoneKey host, PhoneKey::Make());
  HostPairing pairing;
  pairing.trust.host_id = host_id;
  MOORING_ASSIGN_OR_RETURN(pairing.trust.root_certificate_pem,
                           IssueCertificate(root.get(), root.get(), true));
  MOORING_ASSIGN_OR_RETURN(pairing.trust.host_certificate_pem,
                           IssueCertificate(host.get(), root.get(), false));
  MOORING_ASSIGN_OR_RETURN(pairing.trust.device_certificate_pem,
                           IssueCertificate(phone_key.get(), root.get(), false));
  pairing.record = Plist::Dict();
  pairing.record.Set("HostID", host_id)
      .Set("SystemBUID", buid)
      .Set("WiFiMACAddress", wifi_address)
      .Set("RootCertificate", Plist::Data(pairing.trust.root_certificate_pem))
      .Set("RootPrivateKey", Plist::Data(root.PrivatePem()))
      .Set("HostCertificate", Plist::Data(pairing.trust.host_certificate_pem))
      .Set("HostPrivateKey", Plist::Data(host.PrivatePem()))
      .Set("DeviceCertificate", Plist::Data(pairing.trust.device_certificate_pem));
  return pairing;
}

}  // namespace mooring::testing
