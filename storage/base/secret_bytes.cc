#include "storage/base/secret_bytes.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include <openssl/crypto.h>

#include "storage/base/check.h"

namespace mooring {

SecretBytes::SecretBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  // Page-aligned, so that the advice below touches nobody else's memory.
  constexpr std::size_t kPage = 4096;
  const std::size_t rounded = (size + kPage - 1) / kPage * kPage;
  data_ = static_cast<std::byte*>(std::aligned_alloc(kPage, rounded));
  MOORING_CHECK(data_ != nullptr);
  std::memset(data_, 0, rounded);
  mlock(data_, rounded);
  madvise(data_, rounded, MADV_DONTDUMP);
}

SecretBytes SecretBytes::CopyOf(ByteView bytes) {
  SecretBytes copy(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.data_, bytes.data(), bytes.size());
  return copy;
}

SecretBytes SecretBytes::Make(Random& random, std::size_t size) {
  SecretBytes secret(size);
  random.Fill(secret.writable());
  return secret;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    Release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

SecretBytes::~SecretBytes() {
  Release();
}

void SecretBytes::Release() {
  if (data_ == nullptr) return;
  constexpr std::size_t kPage = 4096;
  const std::size_t rounded = (size_ + kPage - 1) / kPage * kPage;
  OPENSSL_cleanse(data_, rounded);
  madvise(data_, rounded, MADV_DODUMP);
  munlock(data_, rounded);
  std::free(data_);
  data_ = nullptr;
}

bool SecretBytes::Equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace mooring
