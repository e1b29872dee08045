#include "tests/phones/android/auth_key.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

namespace mooring::testing::android {
namespace {

// struct RSAPublicKey of libcrypto_utils: words, n0inv, modulus, R^2, exponent, little-endian.
constexpr std::size_t kModulusBytes = 256;
constexpr std::size_t kKeyBytes = 4 + 4 + 2 * kModulusBytes + 4;
constexpr std::size_t kModulusAt = 8;
constexpr std::size_t kExponentAt = kModulusAt + 2 * kModulusBytes;

const unsigned char* Raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::string DecodeBase64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), Raw(text),
                                     static_cast<int>(text.size()));
  bytes.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  return bytes;
}

EVP_PKEY* MakeKey(const BIGNUM* modulus, std::uint32_t exponent) {
  using Builder = std::unique_ptr<OSSL_PARAM_BLD, void (*)(OSSL_PARAM_BLD*)>;
  using Params = std::unique_ptr<OSSL_PARAM, void (*)(OSSL_PARAM*)>;
  using Context = std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)>;
  const Builder builder(OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free);
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus);
  OSSL_PARAM_BLD_push_uint(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent);
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()), OSSL_PARAM_free);
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr), EVP_PKEY_CTX_free);
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return key;
}

}  // namespace

absl::StatusOr<AuthKey> AuthKey::Parse(std::string_view text) {
  const std::string bytes = DecodeBase64(text.substr(0, text.find(' ')));
  std::uint32_t words = 0;
  std::uint32_t exponent = 0;
  if (bytes.size() < kKeyBytes) return absl::InvalidArgumentError("the key is too short");
  std::memcpy(&words, bytes.data(), sizeof(words));
  std::memcpy(&exponent, bytes.data() + kExponentAt, sizeof(exponent));
  if (words * 4 != kModulusBytes) return absl::InvalidArgumentError("the key is not of 2048 bits");
  const std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> modulus(
      BN_lebin2bn(Raw(bytes) + kModulusAt, static_cast<int>(kModulusBytes), nullptr), BN_free);
  KeyPointer key(MakeKey(modulus.get(), exponent), EVP_PKEY_free);
  if (key == nullptr) return absl::InvalidArgumentError("the key is none");
  return AuthKey(std::move(key));
}

bool AuthKey::Signed(std::string_view token, std::string_view signature) const {
  const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> context(
      EVP_PKEY_CTX_new(key_.get(), nullptr), EVP_PKEY_CTX_free);
  return EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha1()) == 1 &&
         EVP_PKEY_verify(context.get(), Raw(signature), signature.size(), Raw(token),
                         token.size()) == 1;
}

}  // namespace mooring::testing::android
