#include "tests/phones/iphone/crypto.h"

#include <openssl/hmac.h>

#include "storage/base/check.h"

namespace mooring::testing {
namespace {

const unsigned char* Raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* Raw(std::string& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

std::optional<std::string> RunWrap(std::string_view kek, std::string_view input, bool wrap) {
  std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(EVP_CIPHER_CTX_new(),
                                                                     EVP_CIPHER_CTX_free);
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  std::string out(input.size() + 16, '\0');
  int length = 0;
  int tail = 0;
  if (kek.size() != 32 ||
      EVP_CipherInit_ex(context.get(), EVP_aes_256_wrap(), nullptr, Raw(kek), nullptr,
                        wrap ? 1 : 0) != 1 ||
      EVP_CipherUpdate(context.get(), Raw(out), &length, Raw(input),
                       static_cast<int>(input.size())) != 1 ||
      EVP_CipherFinal_ex(context.get(), Raw(out) + length, &tail) != 1) {
    return std::nullopt;
  }
  out.resize(static_cast<std::size_t>(length + tail));
  return out;
}

}  // namespace

Sha256Digest HmacSha256(std::string_view key, std::string_view bytes) {
  Sha256Digest digest{};
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Raw(bytes), bytes.size(),
       digest.data(), nullptr);
  return digest;
}

std::string Pbkdf2(const char* digest, std::string_view password, std::string_view salt,
                   std::uint32_t iterations, std::size_t length) {
  std::string key(length, '\0');
  const int result =
      PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), Raw(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations),
                        EVP_get_digestbyname(digest), static_cast<int>(length), Raw(key));
  MOORING_CHECK(result == 1);
  return key;
}

std::string WrapKey(std::string_view kek, std::string_view key) {
  std::optional<std::string> wrapped = RunWrap(kek, key, true);
  MOORING_CHECK(wrapped.has_value());
  return *std::move(wrapped);
}

std::optional<std::string> UnwrapKey(std::string_view kek, std::string_view wrapped) {
  return RunWrap(kek, wrapped, false);
}

CbcStream::CbcStream(Direction direction, std::string_view key, Padding padding)
    : context_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free) {
  MOORING_CHECK(key.size() == 32);
  const unsigned char iv[16] = {};
  EVP_CipherInit_ex(context_.get(), EVP_aes_256_cbc(), nullptr, Raw(key), iv,
                    direction == Direction::kEncrypt ? 1 : 0);
  EVP_CIPHER_CTX_set_padding(context_.get(), padding == Padding::kPkcs7 ? 1 : 0);
}

bool CbcStream::Update(std::string_view bytes, std::string& out) {
  const std::size_t before = out.size();
  out.resize(before + bytes.size() + 16);
  int length = 0;
  if (EVP_CipherUpdate(context_.get(), Raw(out) + before, &length, Raw(bytes),
                       static_cast<int>(bytes.size())) != 1) {
    return false;
  }
  out.resize(before + static_cast<std::size_t>(length));
  return true;
}

bool CbcStream::Finish(std::string& out) {
  const std::size_t before = out.size();
  out.resize(before + 16);
  int length = 0;
  if (EVP_CipherFinal_ex(context_.get(), Raw(out) + before, &length) != 1) return false;
  out.resize(before + static_cast<std::size_t>(length));
  return true;
}

}  // namespace mooring::testing
