#include "storage/manifest/wire_scan.h"

namespace mooring::storage {
namespace {

// A base-128 varint from the front of `rest`, which moves on.
std::optional<std::uint64_t> ReadVarint(ByteView& rest) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = std::to_integer<std::uint64_t>(rest.front());
    rest = rest.subspan(1);
    value |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return std::nullopt;
}

bool Skip(ByteView& rest, std::size_t bytes) {
  if (rest.size() < bytes) return false;
  rest = rest.subspan(bytes);
  return true;
}

}  // namespace

std::optional<FieldCounts> CountFields(
    ByteView message, absl::FunctionRef<void(std::uint32_t field, ByteView content)> visit) {
  FieldCounts counts;
  while (!message.empty()) {
    const std::optional<std::uint64_t> tag = ReadVarint(message);
    if (!tag || *tag > 0xffff'ffffU || (*tag >> 3) == 0) return std::nullopt;
    const auto field = static_cast<std::uint32_t>(*tag >> 3);
    counts.Add(field);
    switch (*tag & 7) {
      case 0:
        if (!ReadVarint(message)) return std::nullopt;
        break;
      case 1:
        if (!Skip(message, 8)) return std::nullopt;
        break;
      case 2: {
        const std::optional<std::uint64_t> bytes = ReadVarint(message);
        if (!bytes || *bytes > message.size()) return std::nullopt;
        visit(field, message.first(*bytes));
        message = message.subspan(*bytes);
        break;
      }
      case 5:
        if (!Skip(message, 4)) return std::nullopt;
        break;
      default:
        return std::nullopt;
    }
  }
  return counts;
}

std::optional<FieldCounts> CountFields(ByteView message) {
  return CountFields(message, [](std::uint32_t, ByteView) {});
}

}  // namespace mooring::storage
