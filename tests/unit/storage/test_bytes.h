// Content for the tests of the storage formats.

#pragma once

#include <string>
#include <string_view>

#include "storage/base/bytes.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"

namespace mooring::testing {

// Incompressible bytes, the same for the same seed.
inline Bytes RandomBytes(std::uint64_t seed, std::size_t size) {
  SeededRandom random(seed);
  Bytes bytes(size);
  random.Fill(bytes);
  return bytes;
}

// Bytes that zstd shrinks well but not to nothing: numbered lines of text.
inline Bytes TextBytes(std::uint64_t seed, std::size_t size) {
  SeededRandom random(seed);
  std::string text;
  while (text.size() < size) {
    text += "message " + std::to_string(random.Below(1'000'000)) + " from the harbor\n";
  }
  text.resize(size);
  return ToBytes(text);
}

// 32 bytes of `fill`.
inline SecretBytes TestSecret(std::uint8_t fill) {
  SecretBytes secret(32);
  for (std::byte& b : secret.writable()) b = std::byte{fill};
  return secret;
}

inline Bytes Hex(std::string_view text) {
  return FromHex(text).value();
}

}  // namespace mooring::testing
