// CertificateRequest: the public key of a PKCS#10 request that proves to hold
// its private key. Nothing else of the request is used, so nothing else is read.

#pragma once

#include <memory>

#include <absl/status/statusor.h>

#include "storage/base/bytes.h"

struct evp_pkey_st;

namespace mooring::server {

inline constexpr std::size_t kCertificateRequestBytesMax = 8192;

using KeyHandle = std::shared_ptr<evp_pkey_st>;

class CertificateRequest {
 public:
  // kInvalidArgument: not DER, too long, trailing bytes, a key that is not on
  // P-256, or a signature that does not verify.
  static absl::StatusOr<CertificateRequest> Parse(ByteView der);

  const KeyHandle& key() const { return key_; }
  // SHA-256 of the SubjectPublicKeyInfo, by which an agent is known.
  const Bytes& key_hash() const { return key_hash_; }

 private:
  CertificateRequest(KeyHandle key, Bytes key_hash)
      : key_(std::move(key)), key_hash_(std::move(key_hash)) {}

  KeyHandle key_;
  Bytes key_hash_;
};

}  // namespace mooring::server
