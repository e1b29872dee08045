// SHA-1 and SHA-256, as the simulated phones compute them.

#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/evp.h>

namespace mooring::testing {

using Sha1Digest = std::array<unsigned char, 20>;
using Sha256Digest = std::array<unsigned char, 32>;

Sha1Digest Sha1(std::string_view bytes);
Sha256Digest Sha256(std::string_view bytes);

class Sha256Stream {
 public:
  Sha256Stream();
  void Update(std::string_view bytes);
  Sha256Digest Finish();  // And starts over.

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

std::string HexOf(std::string_view bytes);
template <std::size_t kLength>
std::string HexOf(const std::array<unsigned char, kLength>& digest) {
  return HexOf({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace mooring::testing
