#include "storage/seal/aead.h"

#include <memory>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "storage/base/check.h"

namespace mooring::storage {
namespace {

// Fetched once: a fetch by name costs more than sealing a kilobyte.
const EVP_CIPHER* Aes256Gcm() {
  static const EVP_CIPHER* const kAlgorithm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  MOORING_CHECK(kAlgorithm != nullptr);
  return kAlgorithm;
}

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* In(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* Out(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

// A context for one message. Made anew each time: it costs less than a
// microsecond, and freeing it wipes the key.
Cipher Start(bool encrypt, ByteView key, ByteView nonce, std::initializer_list<ByteView> aad) {
  MOORING_CHECK(key.size() == kAeadKeyBytes && nonce.size() == kAeadNonceBytes);
  Cipher cipher(EVP_CIPHER_CTX_new());
  MOORING_CHECK(cipher != nullptr && EVP_CipherInit_ex2(cipher.get(), Aes256Gcm(), In(key),
                                                        In(nonce), encrypt ? 1 : 0, nullptr) == 1);
  int done = 0;
  for (const ByteView part : aad) {
    MOORING_CHECK(part.size() <= kAeadMessageBytesMax);
    MOORING_CHECK(EVP_CipherUpdate(cipher.get(), nullptr, &done, In(part),
                                   static_cast<int>(part.size())) == 1);
  }
  return cipher;
}

}  // namespace

void AeadSeal(ByteView key, ByteView nonce, std::initializer_list<ByteView> aad, ByteView plaintext,
              std::span<std::byte> out) {
  MOORING_CHECK(plaintext.size() <= kAeadMessageBytesMax &&
                out.size() == plaintext.size() + kAeadTagBytes);
  const Cipher cipher = Start(true, key, nonce, aad);
  int done = 0;
  if (!plaintext.empty()) {
    MOORING_CHECK(EVP_CipherUpdate(cipher.get(), Out(out), &done, In(plaintext),
                                   static_cast<int>(plaintext.size())) == 1);
  }
  const std::span<std::byte> tag = out.last(kAeadTagBytes);
  MOORING_CHECK(EVP_CipherFinal_ex(cipher.get(), Out(tag), &done) == 1);
  MOORING_CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG,
                                    static_cast<int>(kAeadTagBytes), Out(tag)) == 1);
}

absl::Status AeadOpen(ByteView key, ByteView nonce, std::initializer_list<ByteView> aad,
                      ByteView sealed, std::span<std::byte> out) {
  MOORING_CHECK(sealed.size() >= kAeadTagBytes && sealed.size() <= kAeadMessageBytesMax &&
                out.size() == sealed.size() - kAeadTagBytes);
  const Cipher cipher = Start(false, key, nonce, aad);
  const ByteView ciphertext = sealed.first(out.size());
  int done = 0;
  if (!ciphertext.empty()) {
    MOORING_CHECK(EVP_CipherUpdate(cipher.get(), Out(out), &done, In(ciphertext),
                                   static_cast<int>(ciphertext.size())) == 1);
  }
  std::byte tag[kAeadTagBytes];
  std::copy(sealed.end() - kAeadTagBytes, sealed.end(), tag);
  MOORING_CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG,
                                    static_cast<int>(kAeadTagBytes), tag) == 1);
  unsigned char none[kAeadTagBytes];
  if (EVP_CipherFinal_ex(cipher.get(), none, &done) != 1) {
    if (!out.empty()) OPENSSL_cleanse(out.data(), out.size());
    return absl::DataLossError("not authentic: damaged, or sealed under another key");
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
