// Layout of a pack object: storage/design/repository-format.md, "Pack".

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "storage/seal/aead.h"
#include "storage/seal/digest.h"

namespace mooring::storage {

inline constexpr std::string_view kPackMagic = "MPK1";
inline constexpr std::string_view kPackTrailerMagic = "MPE1";
inline constexpr std::string_view kPackFooterLabel = "mooring/pack-footer/1";
inline constexpr std::string_view kPackKeyIdLabel = "mooring/pack-key-id/1";

// Header: magic 4, suite u8, zero 3, pack id 16, created u64, key id 16, zero 16.
inline constexpr std::size_t kPackHeaderBytes = 64;
inline constexpr std::byte kPackSuite{1};
inline constexpr std::size_t kPackIdAt = 8;
inline constexpr std::size_t kPackCreatedAt = 24;
inline constexpr std::size_t kPackKeyIdAt = 32;
inline constexpr std::size_t kPackKeyIdBytes = 16;

// Footer: nonce 12, ciphertext, tag 16. Plaintext: session 16, device 16,
// entries u32, zero u32, then the entries.
inline constexpr std::size_t kPackFooterFixedBytes = 40;
// Entry: chunk id 32, domain id 16, offset u32, bytes u32.
inline constexpr std::size_t kPackEntryBytes = 56;
inline constexpr std::size_t kPackFooterSealBytes = kAeadNonceBytes + kAeadTagBytes;

// Trailer: footer offset u64, footer bytes u32, magic 4, pack hash 32.
inline constexpr std::size_t kPackTrailerBytes = 48;
inline constexpr std::size_t kPackTrailerHashAt = 16;
static_assert(kPackTrailerBytes == kPackTrailerHashAt + kSha256Bytes);

constexpr std::uint64_t PackFooterBytes(std::uint64_t entries) {
  return kPackFooterSealBytes + kPackFooterFixedBytes + entries * kPackEntryBytes;
}

}  // namespace mooring::storage
