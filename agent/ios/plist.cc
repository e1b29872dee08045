#include "agent/ios/plist.h"

#include <array>
#include <cstdlib>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Seconds from 1970 to 2001, where the library's dates begin.
constexpr std::int64_t kAppleEpochUnixSeconds = 978'307'200;

struct FreeMemory {
  void operator()(char* memory) const { std::free(memory); }
};
using CString = std::unique_ptr<char, FreeMemory>;

// Length of the UTF-8 sequence at text[at], or 0 if it is not valid; its value in `code`.
std::size_t DecodeUtf8(std::string_view text, std::size_t at, std::uint32_t& code) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) {
    code = first;
    return 1;
  }
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() - at < length) return 0;
  code = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code < kSmallest[length] || code > 0x10FFFF || is_surrogate ? 0 : length;
}

// C0 and C1 controls, and the marks that reorder text (Unicode Bidi_Control).
bool IsUnwanted(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C || code == 0x200E ||
         code == 0x200F || (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

Bytes TakeBytes(char* memory, std::uint32_t length) {
  const CString owned(memory);
  return ToBytes(std::string_view(memory, memory == nullptr ? 0 : length));
}

}  // namespace

bool PlistView::is_dict() const {
  return node_ != nullptr && plist_get_node_type(node_) == PLIST_DICT;
}

bool PlistView::is_array() const {
  return node_ != nullptr && plist_get_node_type(node_) == PLIST_ARRAY;
}

std::uint32_t PlistView::size() const {
  if (is_dict()) return plist_dict_get_size(node_);
  return is_array() ? plist_array_get_size(node_) : 0;
}

PlistView PlistView::Get(const char* key) const {
  return is_dict() ? PlistView(plist_dict_get_item(node_, key)) : PlistView();
}

PlistView PlistView::At(std::uint32_t index) const {
  return is_array() && index < size() ? PlistView(plist_array_get_item(node_, index)) : PlistView();
}

std::optional<std::string> PlistView::text() const {
  if (node_ == nullptr || plist_get_node_type(node_) != PLIST_STRING) return std::nullopt;
  std::uint64_t length = 0;
  const char* value = plist_get_string_ptr(node_, &length);
  if (value == nullptr) return std::nullopt;
  return std::string(value, length);
}

std::optional<Bytes> PlistView::data() const {
  if (node_ == nullptr || plist_get_node_type(node_) != PLIST_DATA) return std::nullopt;
  std::uint64_t length = 0;
  const char* value = plist_get_data_ptr(node_, &length);
  return ToBytes(std::string_view(value, value == nullptr ? 0 : length));
}

std::optional<double> PlistView::number() const {
  if (node_ == nullptr) return std::nullopt;
  if (plist_get_node_type(node_) == PLIST_REAL) {
    double value = 0;
    plist_get_real_val(node_, &value);
    return value;
  }
  const std::optional<std::uint64_t> value = integer();
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}

std::optional<std::uint64_t> PlistView::integer() const {
  if (node_ == nullptr || plist_get_node_type(node_) != PLIST_UINT) return std::nullopt;
  std::uint64_t value = 0;
  plist_get_uint_val(node_, &value);
  return value;
}

std::optional<bool> PlistView::boolean() const {
  if (node_ == nullptr || plist_get_node_type(node_) != PLIST_BOOLEAN) return std::nullopt;
  std::uint8_t value = 0;
  plist_get_bool_val(node_, &value);
  return value != 0;
}

absl::Status PlistView::ForEachItem(absl::FunctionRef<absl::Status(PlistView)> visit) const {
  if (!is_array()) return absl::OkStatus();
  plist_array_iter position = nullptr;
  plist_array_new_iter(node_, &position);
  const std::unique_ptr<void, decltype(&std::free)> owned(position, &std::free);
  for (std::uint32_t left = size(); left > 0; --left) {
    plist_t item = nullptr;
    plist_array_next_item(node_, position, &item);
    if (item == nullptr) break;
    MOORING_RETURN_IF_ERROR(visit(PlistView(item)));
  }
  return absl::OkStatus();
}

absl::Status PlistView::ForEachEntry(
    absl::FunctionRef<absl::Status(const std::string&, PlistView)> visit) const {
  if (!is_dict()) return absl::OkStatus();
  plist_dict_iter position = nullptr;
  plist_dict_new_iter(node_, &position);
  const std::unique_ptr<void, decltype(&std::free)> owned(position, &std::free);
  for (std::uint32_t left = size(); left > 0; --left) {
    char* key = nullptr;
    plist_t item = nullptr;
    plist_dict_next_item(node_, position, &key, &item);
    const CString owned_key(key);
    if (item == nullptr || key == nullptr) break;
    MOORING_RETURN_IF_ERROR(visit(key, PlistView(item)));
  }
  return absl::OkStatus();
}

absl::StatusOr<Plist> Plist::Parse(ByteView bytes, const PlistLimits& limits) {
  MOORING_RETURN_IF_ERROR(CheckPlist(bytes, limits));
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  const auto length = static_cast<std::uint32_t>(bytes.size());
  plist_t node = nullptr;
  if (IsBinaryPlist(bytes)) {
    plist_from_bin(text, length, &node);
  } else {
    plist_from_xml(text, length, &node);
  }
  if (node == nullptr) return absl::InvalidArgumentError("property list: not readable");
  return Plist(node);
}

Plist Plist::String(std::string_view value) {
  return Plist(plist_new_string(std::string(value).c_str()));
}

Plist Plist::Data(ByteView value) {
  return Plist(plist_new_data(reinterpret_cast<const char*>(value.data()), value.size()));
}

Plist Plist::Date(std::int64_t unix_seconds) {
  return Plist(plist_new_date(static_cast<std::int32_t>(unix_seconds - kAppleEpochUnixSeconds), 0));
}

Plist& Plist::Set(const char* key, Plist value) {
  plist_dict_set_item(node_.get(), key, value.node_.release());
  return *this;
}

Plist& Plist::Add(Plist value) {
  plist_array_append_item(node_.get(), value.node_.release());
  return *this;
}

Bytes Plist::ToBinary() const {
  char* memory = nullptr;
  std::uint32_t length = 0;
  plist_to_bin(node_.get(), &memory, &length);
  return TakeBytes(memory, length);
}

Bytes Plist::ToXml() const {
  char* memory = nullptr;
  std::uint32_t length = 0;
  plist_to_xml(node_.get(), &memory, &length);
  return TakeBytes(memory, length);
}

std::string SanitizeText(std::string_view text, std::size_t bytes_max) {
  std::string clean;
  for (std::size_t at = 0; at < text.size();) {
    std::uint32_t code = 0;
    const std::size_t length = DecodeUtf8(text, at, code);
    if (length == 0) {
      ++at;
      continue;
    }
    if (!IsUnwanted(code)) {
      if (clean.size() + length > bytes_max) break;
      clean.append(text.substr(at, length));
    }
    at += length;
  }
  return clean;
}

}  // namespace mooring::agent
