#include "storage/base/bytes.h"

#include <array>

namespace mooring {
namespace {

constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

template <typename Unsigned>
Unsigned LoadLe(ByteView bytes, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = sizeof(Unsigned); i-- > 0;) {
    value = (value << 8) | std::to_integer<std::uint64_t>(bytes[offset + i]);
  }
  return static_cast<Unsigned>(value);
}

void AppendLe(Bytes& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

}  // namespace

std::string ToHex(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    text.push_back(kDigits[std::to_integer<std::size_t>(b >> 4)]);
    text.push_back(kDigits[std::to_integer<std::size_t>(b & std::byte{15})]);
  }
  return text;
}

std::optional<Bytes> FromHex(std::string_view text) {
  // One look-up a digit and one branch in all: long columns of the catalog come this way.
  static constexpr auto kValues = [] {
    std::array<int, 256> values{};
    for (std::size_t c = 0; c < values.size(); ++c) values[c] = HexValue(static_cast<char>(c));
    return values;
  }();
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes bytes(text.size() / 2);
  int all = 0;  // Negative if any digit was none.
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = kValues[static_cast<unsigned char>(text[2 * i])];
    const int low = kValues[static_cast<unsigned char>(text[2 * i + 1])];
    all |= high | low;
    bytes[i] = static_cast<std::byte>((high & 15) * 16 + (low & 15));
  }
  if (all < 0) return std::nullopt;
  return bytes;
}

std::string ToBase64Url(ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int bit_count = 0;
  for (const std::byte b : bytes) {
    bits = (bits << 8) | std::to_integer<std::uint32_t>(b);
    bit_count += 8;
    while (bit_count >= 6) {
      bit_count -= 6;
      text.push_back(kBase64Url[(bits >> bit_count) & 63]);
    }
  }
  if (bit_count > 0) text.push_back(kBase64Url[(bits << (6 - bit_count)) & 63]);
  return text;
}

std::optional<Bytes> FromBase64Url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int bit_count = 0;
  for (const char c : text) {
    const std::size_t value = kBase64Url.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      bytes.push_back(static_cast<std::byte>(bits >> bit_count));
    }
  }
  // A canonical encoding leaves no bits over.
  if ((bits & ((1U << bit_count) - 1)) != 0) return std::nullopt;
  return bytes;
}

std::uint16_t LoadLe16(ByteView bytes, std::size_t offset) {
  return LoadLe<std::uint16_t>(bytes, offset);
}
std::uint32_t LoadLe32(ByteView bytes, std::size_t offset) {
  return LoadLe<std::uint32_t>(bytes, offset);
}
std::uint64_t LoadLe64(ByteView bytes, std::size_t offset) {
  return LoadLe<std::uint64_t>(bytes, offset);
}
std::uint32_t LoadBe32(ByteView bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = (value << 8) | std::to_integer<std::uint32_t>(bytes[offset + i]);
  }
  return value;
}

void AppendLe16(Bytes& out, std::uint16_t value) {
  AppendLe(out, value, 2);
}
void AppendLe32(Bytes& out, std::uint32_t value) {
  AppendLe(out, value, 4);
}
void AppendLe64(Bytes& out, std::uint64_t value) {
  AppendLe(out, value, 8);
}
void AppendBe32(Bytes& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::byte>(value >> shift));
}

}  // namespace mooring
