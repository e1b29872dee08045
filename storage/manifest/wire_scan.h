// Counts the fields of a serialized protobuf message without building it.
//
// Parsing allocates for every repeated element, and an empty one costs two
// bytes on the wire and a hundred in memory; so untrusted messages are counted
// first and parsed if the counts are sane.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <absl/functional/function_ref.h>

#include "storage/base/bytes.h"

namespace mooring::storage {

// How often each of the first 32 field numbers stands at the top of a message.
class FieldCounts {
 public:
  static constexpr std::uint32_t kFields = 32;

  std::size_t of(std::uint32_t field) const { return field < kFields ? counts_[field] : 0; }
  void Add(std::uint32_t field) {
    if (field < kFields) ++counts_[field];
  }

 private:
  std::array<std::size_t, kFields> counts_{};
};

// Calls `visit` with each length-delimited field. nullopt: not a well-formed
// message, or one that uses groups. Reads each byte once; depth is not followed.
std::optional<FieldCounts> CountFields(
    ByteView message, absl::FunctionRef<void(std::uint32_t field, ByteView content)> visit);
std::optional<FieldCounts> CountFields(ByteView message);

}  // namespace mooring::storage
