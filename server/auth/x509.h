// OpenSSL's certificate objects as values of ours. For the files of this folder.

#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "server/auth/certificate_request.h"
#include "storage/base/bytes.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"

namespace mooring::server {

using CertificateHandle = std::shared_ptr<X509>;

// What OpenSSL last complained of, and clears it. For messages.
std::string OpensslError();

absl::StatusOr<KeyHandle> MakeP256Key();
// PKCS#8 DER of the private key.
absl::StatusOr<SecretBytes> PrivateKeyDer(const KeyHandle& key);
absl::StatusOr<KeyHandle> PrivateKeyFromDer(const SecretBytes& der);
absl::StatusOr<SecretBytes> PrivateKeyPem(const KeyHandle& key);
bool IsP256(const EVP_PKEY* key);
// SHA-256 of the DER SubjectPublicKeyInfo.
absl::StatusOr<Bytes> HashPublicKey(EVP_PKEY* key);

// The first certificate of `pem`. kInvalidArgument: there is none.
absl::StatusOr<CertificateHandle> CertificateFromPem(std::string_view pem);
absl::StatusOr<std::string> CertificatePem(X509* certificate);
absl::Time NotAfter(const X509* certificate);

// What a certificate says beside its key.
struct CertificateProfile {
  std::string common_name;
  std::string organization;  // Left out when empty.
  absl::Time not_before;
  absl::Time not_after;
  std::string basic_constraints;
  std::string key_usage;
  std::string extended_key_usage;  // Left out when empty.
  std::string alternative_names;   // OpenSSL's configuration syntax; left out when empty.
};

// A certificate of `subject_key` signed by `issuer_key`; self-signed where
// `issuer` is null.
absl::StatusOr<CertificateHandle> IssueCertificate(const CertificateProfile& profile,
                                                   EVP_PKEY* subject_key, X509* issuer,
                                                   EVP_PKEY* issuer_key, Random& random);

}  // namespace mooring::server
