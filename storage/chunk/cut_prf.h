// The keyed PRF that has the last word on a cut: AES-128 of the fingerprint.
//
// Intrinsics where the processor has AES instructions, because a call into
// OpenSSL for one block costs ten times the block; OpenSSL elsewhere. Both give
// the same bits.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "storage/base/bytes.h"

namespace mooring::storage {

inline constexpr std::size_t kCutPrfKeyBytes = 16;
inline constexpr std::size_t kCutPrfRounds = 10;

enum class CutPrfKind { kBest, kPortable };

// Immutable after construction.
class CutPrf {
 public:
  // `key` is kCutPrfKeyBytes long.
  CutPrf(ByteView key, CutPrfKind kind);
  ~CutPrf();
  CutPrf(const CutPrf&) = delete;
  CutPrf& operator=(const CutPrf&) = delete;

  // The first eight bytes, little-endian, of AES-128(key, fingerprint as
  // little-endian || eight zero bytes).
  std::uint64_t Of(std::uint64_t fingerprint) const;

 private:
  struct Portable;

  bool hardware_ = false;
  // Round keys for the instructions; wiped by the destructor.
  alignas(16) std::array<std::array<std::byte, 16>, kCutPrfRounds + 1> round_keys_{};
  std::unique_ptr<Portable> portable_;
};

}  // namespace mooring::storage
