// SHA-256, HMAC and HKDF over OpenSSL, for the formats of this repository.
//
// None of these can fail but for lack of memory, which ends the process as a
// failed allocation does; so they return values, not statuses.

#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "storage/base/bytes.h"
#include "storage/base/secret_bytes.h"

namespace mooring::storage {

inline constexpr std::size_t kSha256Bytes = 32;
using Sha256Digest = std::array<std::byte, kSha256Bytes>;

Sha256Digest Sha256(ByteView bytes);

// SHA-256 of bytes that come in pieces. Move-only. Thread-bound.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;

  void Update(ByteView bytes);
  // Ends the stream: call once, and nothing after it.
  Sha256Digest Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// HMAC-SHA256 over the concatenation of `parts`. `key` is not empty.
Sha256Digest HmacSha256(ByteView key, std::initializer_list<ByteView> parts);

// HKDF-Extract and HKDF-Expand with SHA-256 (RFC 5869). `info` is the
// concatenation of its parts; `bytes` is at most 255 * 32.
SecretBytes HkdfExtract(ByteView salt, std::initializer_list<ByteView> input);
SecretBytes HkdfExpand(ByteView key, std::initializer_list<ByteView> info, std::size_t bytes);

}  // namespace mooring::storage
