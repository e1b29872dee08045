#include "storage/seal/digest.h"

#include <algorithm>
#include <cstring>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "storage/base/check.h"

namespace mooring::storage {
namespace {

// Fetched once: a fetch by name costs more than hashing a kilobyte.
const EVP_MD* Sha256Algorithm() {
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  MOORING_CHECK(kAlgorithm != nullptr);
  return kAlgorithm;
}

EVP_MAC* HmacAlgorithm() {
  static EVP_MAC* const kAlgorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  MOORING_CHECK(kAlgorithm != nullptr);
  return kAlgorithm;
}

const unsigned char* Data(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

struct FreeMac {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

}  // namespace

struct Sha256Stream::Context {
  Context() : md(EVP_MD_CTX_new()) {
    MOORING_CHECK(md != nullptr && EVP_DigestInit_ex2(md, Sha256Algorithm(), nullptr) == 1);
  }
  ~Context() { EVP_MD_CTX_free(md); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  EVP_MD_CTX* md;
};

Sha256Stream::Sha256Stream() : context_(std::make_unique<Context>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::Update(ByteView bytes) {
  MOORING_CHECK(EVP_DigestUpdate(context_->md, bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256Stream::Finish() {
  Sha256Digest digest;
  unsigned int length = 0;
  MOORING_CHECK(EVP_DigestFinal_ex(context_->md, reinterpret_cast<unsigned char*>(digest.data()),
                                   &length) == 1 &&
                length == digest.size());
  return digest;
}

Sha256Digest Sha256(ByteView bytes) {
  Sha256Stream stream;
  stream.Update(bytes);
  return stream.Finish();
}

Sha256Digest HmacSha256(ByteView key, std::initializer_list<ByteView> parts) {
  const std::unique_ptr<EVP_MAC_CTX, FreeMac> mac(EVP_MAC_CTX_new(HmacAlgorithm()));
  char name[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                               OSSL_PARAM_construct_end()};
  MOORING_CHECK(mac != nullptr && !key.empty() &&
                EVP_MAC_init(mac.get(), Data(key), key.size(), params) == 1);
  for (const ByteView part : parts) {
    MOORING_CHECK(EVP_MAC_update(mac.get(), Data(part), part.size()) == 1);
  }
  Sha256Digest digest;
  std::size_t length = 0;
  MOORING_CHECK(EVP_MAC_final(mac.get(), reinterpret_cast<unsigned char*>(digest.data()), &length,
                              digest.size()) == 1 &&
                length == digest.size());
  return digest;
}

SecretBytes HkdfExtract(ByteView salt, std::initializer_list<ByteView> input) {
  // RFC 5869: no salt means as many zero bytes as the hash is long.
  const Sha256Digest zeros{};
  return SecretBytes::CopyOf(HmacSha256(salt.empty() ? ByteView(zeros) : salt, input));
}

SecretBytes HkdfExpand(ByteView key, std::initializer_list<ByteView> info, std::size_t bytes) {
  MOORING_CHECK(bytes > 0 && bytes <= 255 * kSha256Bytes);
  Bytes joined;
  for (const ByteView part : info) Append(joined, part);
  SecretBytes out(bytes);
  Sha256Digest block{};
  std::size_t done = 0;
  for (std::uint8_t counter = 1; done < bytes; ++counter) {
    const std::byte last[] = {std::byte{counter}};
    const ByteView previous = counter == 1 ? ByteView() : ByteView(block);
    block = HmacSha256(key, {previous, joined, last});
    const std::size_t take = std::min(bytes - done, block.size());
    std::memcpy(out.writable().data() + done, block.data(), take);
    done += take;
  }
  OPENSSL_cleanse(block.data(), block.size());
  return out;
}

}  // namespace mooring::storage
