#include "storage/repository/audit_detail.h"

#include <string_view>

#include <fmt/format.h>

#include "storage/repository/plain_text.h"

namespace mooring::storage {
namespace {

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t length = Utf8Length(text);
    const char c = text.front();
    if (length == 0) {
      out += '?';
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (length == 1 && (static_cast<unsigned char>(c) < 0x20)) {
      // PostgreSQL's jsonb refuses \u0000, so it goes the way of bytes that are not text.
      if (c == '\0') {
        out += '?';
      } else {
        out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
      }
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

}  // namespace

std::string AuditDetail(std::initializer_list<std::pair<const char*, std::string>> fields) {
  std::string json = "{";
  for (const auto& [name, value] : fields) {
    if (json.size() > 1) json += ',';
    AppendJsonString(json, name);
    json += ':';
    AppendJsonString(json, value);
  }
  json += '}';
  return json;
}

}  // namespace mooring::storage
