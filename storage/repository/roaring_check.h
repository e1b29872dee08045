// Checks the bytes of a 32-bit roaring bitmap before libroaring, which trusts
// what lies inside containers, is given them. Format: RoaringFormatSpec,
// "Standard 32-bit Roaring Bitmap".

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "storage/base/bytes.h"

namespace mooring::storage {

struct RoaringShape {
  std::size_t bytes = 0;      // Length of the bitmap at the front of what was given.
  std::uint64_t numbers = 0;  // How many it holds.
};

// nullopt: truncated, counts that lie, or numbers out of order.
std::optional<RoaringShape> CheckRoaring(ByteView bytes);

}  // namespace mooring::storage
