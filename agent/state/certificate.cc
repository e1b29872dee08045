#include "agent/state/certificate.h"

#include <ctime>

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/sha.h>

#include "agent/state/openssl_handles.h"
#include "storage/base/status.h"
#include "storage/seal/digest.h"

namespace mooring::agent {
namespace {

absl::Status OpenSslFailed(std::string_view what) {
  return absl::InternalError(ToAbsl("OpenSSL could not " + std::string(what)));
}

absl::StatusOr<absl::Time> TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return absl::InvalidArgumentError("certificate: a time that cannot be read");
  }
  return absl::FromTM(parts, absl::UTCTimeZone());
}

absl::StatusOr<CertificateHandle> Parse(const std::string& pem) {
  CertificateHandle certificate = ParseCertificate(pem);
  if (certificate == nullptr) return absl::InvalidArgumentError("not a certificate in PEM");
  return certificate;
}

}  // namespace

absl::StatusOr<KeyAndRequest> MakeKeyAndRequest(const std::string& name) {
  const KeyHandle key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslFailed("make a key");
  const RequestHandle request(X509_REQ_new());
  X509_NAME* const subject = X509_REQ_get_subject_name(request.get());
  // OpenSSL bounds a common name to 64 bytes.
  const std::string common_name = name.substr(0, 64);
  if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0) {
    return OpenSslFailed("make a certificate request");
  }
  unsigned char* der = nullptr;
  const int length = i2d_X509_REQ(request.get(), &der);
  if (length <= 0) return OpenSslFailed("encode a certificate request");
  KeyAndRequest made;
  made.request = ToBytes({reinterpret_cast<const char*>(der), static_cast<std::size_t>(length)});
  OPENSSL_free(der);

  const BioHandle pem(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_PKCS8PrivateKey(pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
      1) {
    return OpenSslFailed("encode a key");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(pem.get(), &data);
  made.private_key = SecretBytes::CopyOf(AsBytes({data, static_cast<std::size_t>(size)}));
  return made;
}

absl::StatusOr<CertificateFacts> ReadCertificate(const std::string& pem) {
  MOORING_ASSIGN_OR_RETURN(const CertificateHandle certificate, Parse(pem));
  CertificateFacts facts;
  MOORING_ASSIGN_OR_RETURN(facts.not_before, TimeOf(X509_get0_notBefore(certificate.get())));
  MOORING_ASSIGN_OR_RETURN(facts.not_after, TimeOf(X509_get0_notAfter(certificate.get())));
  facts.renew_at = facts.not_before + (facts.not_after - facts.not_before) / 3;
  return facts;
}

absl::Status CheckNotExpired(absl::Time not_after, absl::Time now) {
  if (now < not_after) return absl::OkStatus();
  return absl::FailedPreconditionError(ToAbsl(fmt::format(
      "this agent's certificate expired at {} by the clock of this workstation; check the clock, "
      "or have the agent revoked, move its state directory away and enroll with a new invitation",
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", not_after, absl::UTCTimeZone()))));
}

bool CertifiesKey(const std::string& pem, const SecretBytes& private_key) {
  const CertificateHandle certificate = ParseCertificate(pem);
  const std::string text = ToString(private_key.view());
  const BioHandle bio = ReadBio(text);
  const KeyHandle key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  return certificate != nullptr && key != nullptr &&
         X509_check_private_key(certificate.get(), key.get()) == 1;
}

absl::StatusOr<Bytes> PublicKeyHash(const std::string& pem) {
  MOORING_ASSIGN_OR_RETURN(const CertificateHandle certificate, Parse(pem));
  unsigned char* der = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &der);
  if (length <= 0) return absl::InvalidArgumentError("certificate: no usable public key");
  const storage::Sha256Digest hash = storage::Sha256(
      AsBytes({reinterpret_cast<const char*>(der), static_cast<std::size_t>(length)}));
  OPENSSL_free(der);
  return Bytes(hash.begin(), hash.end());
}

}  // namespace mooring::agent
