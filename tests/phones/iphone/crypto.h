// The cipher code of the simulated phone: what Apple's backup format uses, and no more.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <openssl/evp.h>

#include "tests/phones/common/digest.h"

namespace mooring::testing {

Sha256Digest HmacSha256(std::string_view key, std::string_view bytes);
std::string Pbkdf2(const char* digest, std::string_view password, std::string_view salt,
                   std::uint32_t iterations, std::size_t length);

// RFC 3394 with a 32-byte `kek`; nullopt: the wrap was not made with this key.
std::string WrapKey(std::string_view kek, std::string_view key);
std::optional<std::string> UnwrapKey(std::string_view kek, std::string_view wrapped);

// AES-256-CBC with a zero IV, as backups use it: every file has a key of its own.
class CbcStream {
 public:
  enum class Direction { kEncrypt, kDecrypt };
  enum class Padding { kPkcs7, kNone };
  CbcStream(Direction direction, std::string_view key, Padding padding);
  // Appends to `out`; false if the ciphertext is broken.
  bool Update(std::string_view bytes, std::string& out);
  bool Finish(std::string& out);

 private:
  std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context_;
};

}  // namespace mooring::testing
