// AES-256-GCM, the one cipher of this repository's formats.
//
// A (key, nonce) pair must never meet two messages. Callers either draw the
// nonce at random under a key that sees few messages, or derive the key from
// the message itself (sealed chunks). No other file calls an OpenSSL cipher
// for encryption at rest.

#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>

#include <absl/status/status.h>

#include "storage/base/bytes.h"

namespace mooring::storage {

inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadNonceBytes = 12;
inline constexpr std::size_t kAeadTagBytes = 16;
// Longest message of these functions; every format stays far below it.
inline constexpr std::size_t kAeadMessageBytesMax = std::size_t{1} << 30;

// Writes ciphertext and tag to `out`, which is kAeadTagBytes longer than
// `plaintext` and begins where it does, or does not overlap it. `aad` is the
// concatenation of its parts.
void AeadSeal(ByteView key, ByteView nonce, std::initializer_list<ByteView> aad, ByteView plaintext,
              std::span<std::byte> out);

// Writes the plaintext of `sealed` (ciphertext and tag) to `out`, which is
// kAeadTagBytes shorter and does not overlap it. kDataLoss: not authentic, and
// `out` is all zero. `sealed` is at least kAeadTagBytes long.
absl::Status AeadOpen(ByteView key, ByteView nonce, std::initializer_list<ByteView> aad,
                      ByteView sealed, std::span<std::byte> out);

}  // namespace mooring::storage
