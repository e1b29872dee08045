// SecretBytes: key material that is locked in memory, left out of core dumps
// and wiped when it goes.

#pragma once

#include <cstddef>
#include <span>

#include "storage/base/bytes.h"
#include "storage/base/random.h"

namespace mooring {

// Move-only: every copy of a secret is one more place to leak it from, so
// copies are written out as Clone(). Thread-compatible.
class SecretBytes {
 public:
  SecretBytes() = default;
  // `size` zero bytes. Locking is best effort here; daemons raise their limit at start.
  explicit SecretBytes(std::size_t size);
  static SecretBytes CopyOf(ByteView bytes);
  static SecretBytes Make(Random& random, std::size_t size);

  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  SecretBytes Clone() const { return CopyOf(view()); }
  ByteView view() const { return {data_, size_}; }
  std::span<std::byte> writable() { return {data_, size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Constant time in the length of the secrets.
  static bool Equal(ByteView a, ByteView b);

 private:
  void Release();

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace mooring
