// Bundle: small files gathered into one piece of content, so that a hundred
// thousand of them do not cost a hundred thousand chunks.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "agent/pipeline/seal_pipeline.h"
#include "storage/base/bytes.h"

namespace mooring::agent {

// Files shorter than this are bundled.
inline constexpr std::size_t kBundledFileBytesMax = std::size_t{128} << 10;
// A bundle is sealed before it would grow beyond this.
inline constexpr std::size_t kBundleBytesMax = std::size_t{1} << 20;

// Content of one domain that is not submitted yet. Thread-compatible.
class Bundle {
 public:
  bool empty() const { return content_.empty(); }
  bool HasRoomFor(std::size_t bytes) const { return content_.size() + bytes <= kBundleBytesMax; }
  Ticket ticket() const { return ticket_; }

  // Appends one file's bytes and returns where they begin. `ticket` becomes the
  // bundle's if it was empty.
  std::uint32_t Add(ByteView bytes, Ticket ticket) {
    if (content_.empty()) {
      content_.reserve(kBundleBytesMax);
      ticket_ = ticket;
    }
    const auto offset = static_cast<std::uint32_t>(content_.size());
    Append(content_, bytes);
    return offset;
  }
  // The content, leaving the bundle empty.
  Bytes Take() {
    Bytes taken = std::move(content_);
    content_ = Bytes();
    return taken;
  }

 private:
  Ticket ticket_ = 0;
  Bytes content_;
};

}  // namespace mooring::agent
