#include "storage/objects/s3_digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "storage/base/check.h"

namespace mooring::storage {
namespace {

template <std::size_t kSize>
std::array<std::byte, kSize> DigestOf(const EVP_MD* method, ByteView bytes) {
  std::array<std::byte, kSize> digest{};
  unsigned size = 0;
  const int ok =
      EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
                 method, nullptr);
  MOORING_CHECK(ok == 1 && size == kSize);
  return digest;
}

}  // namespace

Sha256Bytes S3Sha256(ByteView bytes) {
  return DigestOf<32>(EVP_sha256(), bytes);
}

Md5Bytes S3Md5(ByteView bytes) {
  return DigestOf<16>(EVP_md5(), bytes);
}

Sha256Bytes S3HmacSha256(ByteView key, ByteView message) {
  Sha256Bytes mac{};
  unsigned size = 0;
  const unsigned char* made =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(message.data()), message.size(),
           reinterpret_cast<unsigned char*>(mac.data()), &size);
  MOORING_CHECK(made != nullptr && size == mac.size());
  return mac;
}

std::string ToBase64(ByteView bytes) {
  // EVP_EncodeBlock ends what it writes with a zero byte.
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

S3Part S3PartOf(ByteView body) {
  return {.size_bytes = body.size(), .sha256 = S3Sha256(body), .md5 = S3Md5(body)};
}

void S3Fingerprint::Add(const S3Part& part) {
  parts_.push_back(part);
  size_bytes_ += part.size_bytes;
}

std::string S3Fingerprint::WholeEtag() const {
  MOORING_CHECK(parts_.size() == 1);
  return ToHex(parts_.front().md5);
}

std::string S3Fingerprint::MultipartEtag() const {
  Bytes digests;
  for (const S3Part& part : parts_) Append(digests, part.md5);
  return fmt::format("{}-{}", ToHex(S3Md5(digests)), parts_.size());
}

std::string S3Fingerprint::WholeChecksum() const {
  MOORING_CHECK(parts_.size() == 1);
  return ToBase64(parts_.front().sha256);
}

std::string S3Fingerprint::MultipartChecksum() const {
  Bytes digests;
  for (const S3Part& part : parts_) Append(digests, part.sha256);
  return fmt::format("{}-{}", ToBase64(S3Sha256(digests)), parts_.size());
}

}  // namespace mooring::storage
