#include "storage/manifest/text_arena.h"

#include <algorithm>

#include "storage/base/check.h"

namespace mooring::storage {

TextAt TextArena::Add(std::string_view text) {
  MOORING_CHECK(text.size() <= kTextBytesMax);
  if (block_used_ + text.size() > kBlockBytes) {
    MOORING_CHECK(blocks_.size() < (std::uint64_t{1} << 32) / kBlockBytes);
    blocks_.push_back(std::make_unique<char[]>(kBlockBytes));
    block_used_ = 0;
  }
  const std::size_t at = (blocks_.size() - 1) * kBlockBytes + block_used_;
  std::copy(text.begin(), text.end(), blocks_.back().get() + block_used_);
  block_used_ += text.size();
  used_bytes_ += text.size();
  return static_cast<TextAt>(at);
}

}  // namespace mooring::storage
