// Byte views and their text forms.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mooring {

using ByteView = std::span<const std::byte>;
using Bytes = std::vector<std::byte>;

// Views the bytes of `text`; valid only while `text` is.
inline ByteView AsBytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

// Views `bytes` as characters; valid only while `bytes` is.
inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A copy of `bytes` for protobuf `bytes` fields and libraries that want std::string.
inline std::string ToString(ByteView bytes) {
  return std::string(AsText(bytes));
}

inline Bytes ToBytes(std::string_view text) {
  const ByteView view = AsBytes(text);
  return {view.begin(), view.end()};
}

// Lower-case hexadecimal, two characters a byte.
std::string ToHex(ByteView bytes);

// The bytes of an even-length hexadecimal `text` of either case; nullopt for anything else.
std::optional<Bytes> FromHex(std::string_view text);

// Base64url without padding (RFC 4648, section 5).
std::string ToBase64Url(ByteView bytes);
std::optional<Bytes> FromBase64Url(std::string_view text);

// Little-endian integers at `bytes`[offset]; the caller has checked the bounds.
std::uint16_t LoadLe16(ByteView bytes, std::size_t offset);
std::uint32_t LoadLe32(ByteView bytes, std::size_t offset);
std::uint64_t LoadLe64(ByteView bytes, std::size_t offset);
std::uint32_t LoadBe32(ByteView bytes, std::size_t offset);
void AppendLe16(Bytes& out, std::uint16_t value);
void AppendLe32(Bytes& out, std::uint32_t value);
void AppendLe64(Bytes& out, std::uint64_t value);
void AppendBe32(Bytes& out, std::uint32_t value);
inline void Append(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace mooring
