// The steps of HPKE base mode (RFC 9180, sections 4.1 and 5.1), apart from each
// other so that tests can hold each against the values of the RFC.

#pragma once

#include <cstdint>
#include <string_view>

#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/base/secret_bytes.h"

namespace mooring::storage {

inline constexpr std::size_t kX25519Bytes = 32;

struct HpkeAead {
  std::uint16_t id;
  std::size_t key_bytes;
};
inline constexpr HpkeAead kHpkeAes256Gcm = {0x0002, 32};

struct HpkeContext {
  SecretBytes key;
  Bytes base_nonce;  // 12 bytes; the nonce of message 0.
};

// The public key of an X25519 private key of 32 bytes.
absl::StatusOr<Bytes> X25519PublicKey(const SecretBytes& private_key);

// DHKEM's shared secret between `own` (private) and `peer` (public), for the
// encapsulated key `enc` and the recipient's `recipient_public`.
// kInvalidArgument: `peer` is not a usable public key (wrong length, low order).
absl::StatusOr<SecretBytes> HpkeSharedSecret(const SecretBytes& own, ByteView peer, ByteView enc,
                                             ByteView recipient_public);

HpkeContext HpkeKeySchedule(const HpkeAead& aead, const SecretBytes& shared_secret,
                            std::string_view info);

}  // namespace mooring::storage
