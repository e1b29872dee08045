// HPKE, RFC 9180 base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
// AES-256-GCM. One message per encapsulation.

#pragma once

#include <string_view>

#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"

namespace mooring::storage {

struct HpkeKeyPair {
  SecretBytes private_key;  // 32 bytes.
  Bytes public_key;         // 32 bytes.
};

absl::StatusOr<HpkeKeyPair> MakeHpkeKeyPair(Random& random);
absl::StatusOr<Bytes> HpkePublicKey(const SecretBytes& private_key);

// enc (32) | ciphertext | tag (16). kInvalidArgument: not a usable public key.
absl::StatusOr<Bytes> HpkeSeal(Random& random, ByteView public_key, std::string_view info,
                               ByteView aad, ByteView plaintext);

// kDataLoss: not sealed to this key with this info and aad.
absl::StatusOr<SecretBytes> HpkeOpen(const SecretBytes& private_key, std::string_view info,
                                     ByteView aad, ByteView sealed);

}  // namespace mooring::storage
