// The agent's key and certificate: P-256, PEM.

#pragma once

#include <string>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/secret_bytes.h"

namespace mooring::agent {

struct KeyAndRequest {
  SecretBytes private_key;  // PEM, PKCS#8.
  Bytes request;            // PKCS#10, DER; carries the public key and `name`.
};

// A new key and a request to certify it.
absl::StatusOr<KeyAndRequest> MakeKeyAndRequest(const std::string& name);

struct CertificateFacts {
  absl::Time not_before;
  absl::Time not_after;
  // When it is to be renewed: after a third of its life.
  absl::Time renew_at;
};

// Of the first certificate in `pem`. kInvalidArgument: not a certificate.
absl::StatusOr<CertificateFacts> ReadCertificate(const std::string& pem);
// kFailedPrecondition: it has expired, by the clock of this workstation. What to do is in the
// message.
absl::Status CheckNotExpired(absl::Time not_after, absl::Time now);
// Whether the first certificate in `pem` certifies this key.
bool CertifiesKey(const std::string& pem, const SecretBytes& private_key);
// SHA-256 of the public key (SubjectPublicKeyInfo, DER) of the first certificate in `pem`.
absl::StatusOr<Bytes> PublicKeyHash(const std::string& pem);

}  // namespace mooring::agent
