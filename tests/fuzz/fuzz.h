// What the fuzz targets of the formats share.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "storage/base/bytes.h"
#include "storage/base/secret_bytes.h"
#include "storage/seal/aead.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

namespace mooring::testing {

inline ByteView FuzzInput(const unsigned char* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

// The key that every target seals under: 32 times 0x46.
inline const SecretBytes& FuzzKey() {
  static const SecretBytes kKey = SecretBytes::CopyOf(AsBytes("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"));
  return kKey;
}

// Nonce, ciphertext and tag of `plain`: gets an input past the tag, behind
// which the parsers are that a holder of keys can attack.
inline Bytes FuzzSeal(ByteView nonce, std::initializer_list<ByteView> aad, ByteView plain) {
  Bytes sealed(plain.size() + storage::kAeadTagBytes);
  storage::AeadSeal(FuzzKey().view(), nonce, aad, plain, sealed);
  return sealed;
}

}  // namespace mooring::testing
