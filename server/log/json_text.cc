#include "server/log/json_text.h"

#include <cstdint>

#include <fmt/format.h>

namespace mooring::server {
namespace {

// One code point of `text` from `at` on; U+FFFD and one byte for what is not UTF-8.
std::uint32_t Decode(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const std::uint32_t lead = byte(at);
  if (lead < 0x80) return ++at, lead;
  if ((lead & 0xe0U) == 0xc0U && continues(at + 1)) {
    const std::uint32_t code = ((lead & 0x1fU) << 6) | (byte(at + 1) & 0x3fU);
    if (code >= 0x80) return at += 2, code;
  } else if ((lead & 0xf0U) == 0xe0U && continues(at + 1) && continues(at + 2)) {
    const std::uint32_t code =
        ((lead & 0x0fU) << 12) | ((byte(at + 1) & 0x3fU) << 6) | (byte(at + 2) & 0x3fU);
    if (code >= 0x800 && (code < 0xd800 || code > 0xdfff)) return at += 3, code;
  } else if ((lead & 0xf8U) == 0xf0U && continues(at + 1) && continues(at + 2) &&
             continues(at + 3)) {
    const std::uint32_t code = ((lead & 0x07U) << 18) | ((byte(at + 1) & 0x3fU) << 12) |
                               ((byte(at + 2) & 0x3fU) << 6) | (byte(at + 3) & 0x3fU);
    if (code >= 0x10000 && code <= 0x10ffff) return at += 4, code;
  }
  return ++at, 0xfffdU;
}

}  // namespace

std::string JsonText(std::string_view text, std::size_t bytes_max) {
  std::string out = "\"";
  std::size_t at = 0;
  while (at < text.size() && at < bytes_max) {
    const std::uint32_t code = Decode(text, at);
    if (code == '"' || code == '\\') {
      out += '\\';
      out += static_cast<char>(code);
    } else if (code >= 0x20 && code < 0x7f) {
      out += static_cast<char>(code);
    } else if (code < 0x10000) {
      out += fmt::format("\\u{:04x}", code);
    } else {
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((code - 0x10000) >> 10),
                         0xdc00 + ((code - 0x10000) & 0x3ff));
    }
  }
  if (at < text.size()) out += "...";
  return out + "\"";
}

}  // namespace mooring::server
