// Digests as S3 wants them: of one request's body, and of an object made of parts.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/base/bytes.h"

namespace mooring::storage {

using Sha256Bytes = std::array<std::byte, 32>;
using Md5Bytes = std::array<std::byte, 16>;

Sha256Bytes S3Sha256(ByteView bytes);
// Against accidents in transit and on the store's disks, never against an attacker:
// what is in the object is sealed.
Md5Bytes S3Md5(ByteView bytes);
Sha256Bytes S3HmacSha256(ByteView key, ByteView message);

// RFC 4648, section 4: with padding, not the alphabet of URLs.
std::string ToBase64(ByteView bytes);

struct S3Part {
  std::uint64_t size_bytes = 0;
  Sha256Bytes sha256{};
  Md5Bytes md5{};
};
S3Part S3PartOf(ByteView body);

// What an object must be, told from the digests of its parts in order. An object
// put whole has one part.
class S3Fingerprint {
 public:
  void Add(const S3Part& part);
  const std::vector<S3Part>& parts() const { return parts_; }
  std::uint64_t size_bytes() const { return size_bytes_; }

  // The ETag of a store that makes it of MD5, as AWS documents it and others do
  // alike: of the body, or of the parts' digests with the number of parts.
  std::string WholeEtag() const;  // Of exactly one part.
  std::string MultipartEtag() const;
  // x-amz-checksum-sha256 in the same two forms.
  std::string WholeChecksum() const;
  std::string MultipartChecksum() const;

 private:
  std::vector<S3Part> parts_;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace mooring::storage
