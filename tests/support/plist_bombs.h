// Property lists that are made to hurt, for tests and fuzz corpora.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mooring::testing {

// Puts objects (marker and body) together into a binary property list.
inline std::string MakeBinaryPlist(const std::vector<std::string>& objects, std::uint64_t root = 0,
                                   int ref_bytes = 2) {
  const auto be = [](std::uint64_t value, int width) {
    std::string out;
    for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) {
      out += static_cast<char>((value >> shift) & 0xFF);
    }
    return out;
  };
  std::string bytes = "bplist00";
  std::string table;
  for (const std::string& object : objects) {
    table += be(bytes.size(), 4);
    bytes += object;
  }
  const std::uint64_t table_at = bytes.size();
  bytes += table + std::string(6, '\0') + "\x04" + be(static_cast<std::uint64_t>(ref_bytes), 1);
  return bytes + be(objects.size(), 8) + be(root, 8) + be(table_at, 8);
}

// `levels` arrays, each of which holds the next one `fan` times (at most 14).
inline std::string MakeFanOut(int levels, int fan) {
  std::vector<std::string> objects;
  for (int i = 0; i < levels; ++i) {
    std::string object(1, static_cast<char>(0xA0 | fan));
    for (int k = 0; k < fan; ++k) {
      object += static_cast<char>((i + 1) >> 8);
      object += static_cast<char>((i + 1) & 0xFF);
    }
    objects.push_back(object);
  }
  objects.push_back("\x08");
  return MakeBinaryPlist(objects);
}

inline std::string MakeDeepXml(int depth) {
  std::string xml = "<?xml version=\"1.0\"?><plist version=\"1.0\">";
  for (int i = 0; i < depth; ++i) xml += "<array>";
  for (int i = 0; i < depth; ++i) xml += "</array>";
  return xml + "</plist>";
}

}  // namespace mooring::testing
