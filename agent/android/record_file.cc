#include "agent/android/record_file.h"

#include <utility>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kBufferBytes = 256 << 10;
// One message with everything in it; the phone's own limit is far below.
constexpr std::size_t kLineBytesMax = 8 << 20;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes of the well-formed UTF-8 sequence at the front of `text`; 0 if none.
// Ranges as in Unicode 15, table 3-7.
std::size_t SequenceBytes(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return (at(i) & 0xC0U) == 0x80U; };
  const unsigned first = at(0);
  const unsigned second = at(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return second >= low && second <= high && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return second >= low && second <= high && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void AppendUtf8(std::string& out, std::uint32_t code) {
  const auto add = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return add(code);
  if (code < 0x800) {
    add(0xC0U | code >> 6U);
  } else if (code < 0x10000) {
    add(0xE0U | code >> 12U);
    add(0x80U | (code >> 6U & 0x3FU));
  } else {
    add(0xF0U | code >> 18U);
    add(0x80U | (code >> 12U & 0x3FU));
    add(0x80U | (code >> 6U & 0x3FU));
  }
  add(0x80U | (code & 0x3FU));
}

// A cursor over one line. Methods leave it where they failed.
class FlatJson {
 public:
  explicit FlatJson(std::string_view text) : text_(text) {}

  bool Skip(std::string_view token) {
    if (text_.substr(0, token.size()) != token) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  bool at_end() const { return text_.empty(); }

  std::optional<std::string> String() {
    if (!Skip("\"")) return std::nullopt;
    std::string value;
    while (!text_.empty()) {
      const char c = text_.front();
      text_.remove_prefix(1);
      if (c == '"') return value;
      if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
      if (c != '\\') {
        value += c;
      } else if (!Escape(value)) {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

 private:
  std::optional<std::uint32_t> Hex4() {
    if (text_.size() < 4) return std::nullopt;
    std::uint32_t code = 0;
    for (const char c : text_.substr(0, 4)) {
      const bool digit = c >= '0' && c <= '9';
      const char lower = static_cast<char>(c | 0x20);
      if (!digit && (lower < 'a' || lower > 'f')) return std::nullopt;
      code = code * 16 + static_cast<std::uint32_t>(digit ? c - '0' : lower - 'a' + 10);
    }
    text_.remove_prefix(4);
    return code;
  }

  bool Escape(std::string& value) {
    if (text_.empty()) return false;
    const char c = text_.front();
    text_.remove_prefix(1);
    constexpr std::string_view kFrom = "\"\\/bfnrt";
    constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    const std::size_t at = kFrom.find(c);
    if (at != std::string_view::npos) {
      value += kTo[at];
      return true;
    }
    if (c != 'u') return false;
    std::optional<std::uint32_t> code = Hex4();
    if (!code) return false;
    if (*code >= 0xD800 && *code < 0xDC00) {
      if (!Skip("\\u")) return false;
      const std::optional<std::uint32_t> low = Hex4();
      if (!low || *low < 0xDC00 || *low > 0xDFFF) return false;
      code = 0x10000 + ((*code - 0xD800) << 10U) + (*low - 0xDC00);
    } else if (*code >= 0xDC00 && *code <= 0xDFFF) {
      return false;
    }
    AppendUtf8(value, *code);
    return true;
  }

  std::string_view text_;
};

absl::Status NotAList() {
  return absl::DataLossError("a list of records in the snapshot cannot be read");
}

}  // namespace

std::string ToValidUtf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const std::size_t bytes = SequenceBytes(text);
    valid += bytes == 0 ? kReplacement : text.substr(0, bytes);
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return valid;
}

std::string JsonString(std::string_view text) {
  std::string json = "\"";
  for (const char c : ToValidUtf8(text)) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (c == '\n') {
      json += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      json += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      json += c;
    }
  }
  json += '"';
  return json;
}

absl::Status RecordWriter::Begin() {
  begun_ = true;
  buffer_ = fmt::format("{{\"format\":{},\"records\":[", JsonString(format_));
  return absl::OkStatus();
}

absl::Status RecordWriter::Flush() {
  const absl::Status written = out_(AsBytes(buffer_));
  buffer_.clear();
  return written;
}

absl::Status RecordWriter::Add(const std::vector<std::string>& keys,
                               const std::vector<std::optional<std::string>>& values) {
  MOORING_CHECK(keys.size() == values.size());
  if (!begun_) MOORING_RETURN_IF_ERROR(Begin());
  buffer_ += count_ == 0 ? "\n{" : ",\n{";
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i > 0) buffer_ += ',';
    buffer_ += JsonString(keys[i]);
    buffer_ += ':';
    buffer_ += values[i] ? JsonString(*values[i]) : "null";
  }
  buffer_ += '}';
  ++count_;
  return buffer_.size() >= kBufferBytes ? Flush() : absl::OkStatus();
}

absl::Status RecordWriter::Finish() {
  if (!begun_) MOORING_RETURN_IF_ERROR(Begin());
  buffer_ += "\n]}\n";
  return Flush();
}

std::optional<RecordFields> ParseFlatJson(std::string_view text) {
  FlatJson json(text);
  RecordFields fields;
  if (!json.Skip("{")) return std::nullopt;
  if (json.Skip("}")) return json.at_end() ? std::optional(fields) : std::nullopt;
  do {
    std::optional<std::string> key = json.String();
    if (!key || !json.Skip(":")) return std::nullopt;
    std::optional<std::string> value;
    if (!json.Skip("null")) {
      value = json.String();
      if (!value) return std::nullopt;
    }
    fields[*std::move(key)] = std::move(value);
  } while (json.Skip(","));
  if (!json.Skip("}") || !json.at_end()) return std::nullopt;
  return fields;
}

absl::Status RecordReader::TakeLine(std::string_view line, Sink sink) {
  if (ended_) return line.empty() ? absl::OkStatus() : NotAList();
  if (!begun_) {
    begun_ = line == fmt::format("{{\"format\":{},\"records\":[", JsonString(format_));
    return begun_ ? absl::OkStatus() : NotAList();
  }
  if (line == "]}") {
    ended_ = true;
    return absl::OkStatus();
  }
  if (!line.empty() && line.back() == ',') line.remove_suffix(1);
  const std::optional<RecordFields> fields = ParseFlatJson(line);
  return fields ? sink(*fields) : NotAList();
}

absl::Status RecordReader::Feed(ByteView bytes, Sink sink) {
  std::string_view text = AsText(bytes);
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    if (rest_.size() + std::min(newline, text.size()) > kLineBytesMax) return NotAList();
    rest_.append(text.substr(0, newline));
    if (newline == std::string_view::npos) return absl::OkStatus();
    MOORING_RETURN_IF_ERROR(TakeLine(rest_, sink));
    rest_.clear();
    text.remove_prefix(newline + 1);
  }
  return absl::OkStatus();
}

absl::Status RecordReader::Finish() const {
  return ended_ && rest_.empty() ? absl::OkStatus() : NotAList();
}

}  // namespace mooring::agent
