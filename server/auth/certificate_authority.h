// CertificateAuthority: the organization's own CA, which vouches for its servers
// and agents and for nothing else. P-256 and ECDSA throughout.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "server/auth/certificate_request.h"
#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"

struct x509_st;

namespace mooring::server {

inline constexpr absl::Duration kCaLifetime = absl::Hours(24 * 3650);
inline constexpr absl::Duration kServerCertificateLifetime = absl::Hours(24 * 90);
inline constexpr absl::Duration kAgentCertificateLifetime = absl::Hours(24 * 7);
// Certificates are valid from a little before they were made: clocks differ.
inline constexpr absl::Duration kBackdating = absl::Minutes(5);

struct IssuedCertificate {
  std::string chain;  // PEM: the certificate, then the CA.
  absl::Time expires_at;
};

struct IssuedServerCertificate {
  IssuedCertificate certificate;
  SecretBytes private_key;  // PEM.
};

// Thread-safe: immutable.
class CertificateAuthority {
 public:
  struct NewAuthority {
    std::string certificate;  // PEM.
    SecretBytes private_key;  // PKCS#8 DER; to be wrapped before it is stored.
  };
  static absl::StatusOr<NewAuthority> Create(const std::string& organization, absl::Time now,
                                             Random& random);

  // kDataLoss: `private_key` is not of `certificate`.
  static absl::StatusOr<std::unique_ptr<CertificateAuthority>> Load(const std::string& certificate,
                                                                    const SecretBytes& private_key,
                                                                    Random& random);

  // PEM of the CA itself.
  const std::string& certificate() const { return certificate_; }
  // SHA-256 of its public key: what invitations pin.
  const Bytes& pin() const { return pin_; }
  absl::Time expires_at() const;

  // For clientAuth alone, with the name urn:mooring:agent:<hex id>.
  absl::StatusOr<IssuedCertificate> IssueAgent(const AgentId& agent,
                                               const CertificateRequest& request, absl::Time now);
  // For serverAuth alone, with a new key. `names`: DNS names and IP addresses.
  absl::StatusOr<IssuedServerCertificate> IssueServer(const std::vector<std::string>& names,
                                                      absl::Time now);

 private:
  CertificateAuthority(std::string certificate, std::shared_ptr<x509_st> x509, KeyHandle key,
                       Bytes pin, Random& random);

  const std::string certificate_;
  const std::shared_ptr<x509_st> x509_;
  const KeyHandle key_;
  const Bytes pin_;
  Random& random_;
};

// When the first certificate of `pem` ends. kInvalidArgument: there is none.
absl::StatusOr<absl::Time> CertificateExpiry(const std::string& pem);
// SHA-256 of the public key of the first certificate of `pem`.
absl::StatusOr<Bytes> CertificateKeyHash(const std::string& pem);

}  // namespace mooring::server
