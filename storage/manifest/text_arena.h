// TextArena: many short strings in few large blocks.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace mooring::storage {

// Where a string lies. The length is kept by whoever holds the position.
using TextAt = std::uint32_t;

// Thread-compatible. Strings are at most kTextBytesMax long; 4 GiB in all.
class TextArena {
 public:
  static constexpr std::size_t kTextBytesMax = 4096;

  TextAt Add(std::string_view text);
  // Gives up a string of `bytes`. Its room comes back with the next Rebuild.
  void Remove(std::size_t bytes) { dead_bytes_ += bytes; }

  std::string_view Get(TextAt at, std::size_t bytes) const {
    return {blocks_[at / kBlockBytes].get() + at % kBlockBytes, bytes};
  }

  // Whether more than half of the room is dead, and it matters.
  bool is_wasteful() const { return dead_bytes_ > kBlockBytes && dead_bytes_ > used_bytes_ / 2; }

 private:
  static constexpr std::size_t kBlockBytes = 1U << 16;

  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t block_used_ = kBlockBytes;
  std::size_t used_bytes_ = 0;
  std::size_t dead_bytes_ = 0;
};

}  // namespace mooring::storage
