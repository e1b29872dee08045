// StreamReader: exact numbers of bytes out of a stream of packets.

#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "tests/phones/android/service_stream.h"

namespace mooring::testing::android {

// Thread-compatible.
class StreamReader {
 public:
  explicit StreamReader(ServiceStream& stream) : stream_(stream) {}

  // Exactly `length` bytes; false if the stream ends before.
  bool Read(std::size_t length, std::string& out) {
    out.clear();
    while (out.size() < length) {
      if (!Fill()) return false;
      const std::size_t take = std::min(length - out.size(), buffer_.size() - at_);
      out.append(buffer_, at_, take);
      at_ += take;
    }
    return true;
  }
  // At least one and at most `length` bytes; empty at the end.
  std::string ReadSome(std::size_t length) {
    if (!Fill()) return {};
    std::string out = buffer_.substr(at_, length);
    at_ += out.size();
    return out;
  }

 private:
  bool Fill() {
    while (at_ == buffer_.size()) {
      std::optional<std::string> more = stream_.Read();
      if (!more) return false;
      buffer_ = *std::move(more);
      at_ = 0;
    }
    return true;
  }

  ServiceStream& stream_;
  std::string buffer_;
  std::size_t at_ = 0;
};

}  // namespace mooring::testing::android
