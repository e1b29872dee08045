// The key-wrap blob: one key sealed under another, bound to what it is for and
// whose it is. Format: storage/design/sealing.md, "Key wrap".

#pragma once

#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"
#include "storage/seal/key_ring.h"

namespace mooring::storage {

// Longest key that a wrap holds, in bytes.
inline constexpr std::size_t kWrappedKeyBytesMax = 16384;
inline constexpr std::size_t kWrapSubjectBytes = 16;

// Wraps `key` under `kek` (32 bytes) with a random nonce. kInvalidArgument: an
// empty or oversized key, or a subject of other than 16 bytes.
absl::StatusOr<Bytes> WrapKey(const SecretBytes& kek, Random& random, Clock& clock,
                              KeyPurpose purpose, ByteView subject, ByteView key);

// kDataLoss: damaged, or made for another purpose or subject.
// kPermissionDenied: wrapped under another key.
absl::StatusOr<SecretBytes> UnwrapKey(const SecretBytes& kek, KeyPurpose purpose, ByteView subject,
                                      ByteView wrapped);

}  // namespace mooring::storage
