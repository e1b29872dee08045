#include "tests/phones/iphone/plist.h"

#include <cstdlib>
#include <utility>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

// Property lists count seconds from 2001-01-01T00:00:00Z.
constexpr std::int64_t kPlistEpochUnix = 978307200;

}  // namespace

bool PlistView::Is(plist_type type) const {
  return node_ != nullptr && plist_get_node_type(node_) == type;
}

PlistView PlistView::Find(const char* key) const {
  return IsDict() ? PlistView(plist_dict_get_item(node_, key)) : PlistView();
}

PlistView PlistView::At(std::size_t index) const {
  if (index >= array_size()) return {};
  return PlistView(plist_array_get_item(node_, static_cast<std::uint32_t>(index)));
}

std::size_t PlistView::array_size() const {
  return IsArray() ? plist_array_get_size(node_) : 0;
}

std::size_t PlistView::dict_size() const {
  return IsDict() ? plist_dict_get_size(node_) : 0;
}

std::optional<std::string> PlistView::AsString() const {
  if (!IsString()) return std::nullopt;
  std::uint64_t length = 0;
  const char* text = plist_get_string_ptr(node_, &length);
  return std::string(text, length);
}

std::optional<std::uint64_t> PlistView::AsInteger() const {
  if (!Is(PLIST_UINT)) return std::nullopt;
  std::uint64_t value = 0;
  plist_get_uint_val(node_, &value);
  return value;
}

std::optional<bool> PlistView::AsBoolean() const {
  if (!Is(PLIST_BOOLEAN)) return std::nullopt;
  std::uint8_t value = 0;
  plist_get_bool_val(node_, &value);
  return value != 0;
}

std::optional<std::string> PlistView::AsData() const {
  if (!IsData()) return std::nullopt;
  std::uint64_t length = 0;
  const char* bytes = plist_get_data_ptr(node_, &length);
  return std::string(bytes, length);
}

std::optional<std::uint64_t> PlistView::AsUid() const {
  if (!Is(PLIST_UID)) return std::nullopt;
  std::uint64_t value = 0;
  plist_get_uid_val(node_, &value);
  return value;
}

std::string PlistView::StringOr(const char* key, std::string fallback) const {
  std::optional<std::string> value = Find(key).AsString();
  return value ? *std::move(value) : std::move(fallback);
}

std::uint64_t PlistView::IntegerOr(const char* key, std::uint64_t fallback) const {
  return Find(key).AsInteger().value_or(fallback);
}

bool PlistView::BooleanOr(const char* key, bool fallback) const {
  return Find(key).AsBoolean().value_or(fallback);
}

std::vector<std::string> PlistView::Strings() const {
  std::vector<std::string> strings;
  for (std::size_t i = 0; i < array_size(); ++i) {
    if (std::optional<std::string> text = At(i).AsString()) strings.push_back(*std::move(text));
  }
  return strings;
}

void PlistView::ForEach(
    const std::function<void(const std::string& key, PlistView value)>& visit) const {
  if (!IsDict()) return;
  plist_dict_iter iterator = nullptr;
  plist_dict_new_iter(node_, &iterator);
  while (true) {
    char* key = nullptr;
    plist_t value = nullptr;
    plist_dict_next_item(node_, iterator, &key, &value);
    if (key == nullptr) break;
    const std::string name(key);
    std::free(key);
    visit(name, PlistView(value));
  }
  std::free(iterator);
}

std::string PlistView::Xml() const {
  char* text = nullptr;
  std::uint32_t length = 0;
  plist_to_xml(node_, &text, &length);
  std::string xml(text == nullptr ? "" : text, length);
  plist_to_xml_free(text);
  return xml;
}

std::string PlistView::Binary() const {
  char* bytes = nullptr;
  std::uint32_t length = 0;
  plist_to_bin(node_, &bytes, &length);
  std::string binary(bytes == nullptr ? "" : bytes, length);
  plist_to_bin_free(bytes);
  return binary;
}

Plist Plist::String(std::string_view text) {
  return Plist(plist_new_string(std::string(text).c_str()));
}

Plist Plist::Data(std::string_view bytes) {
  return Plist(plist_new_data(bytes.data(), bytes.size()));
}

Plist Plist::DateFromUnix(std::int64_t seconds) {
  return Plist(plist_new_date(static_cast<std::int32_t>(seconds - kPlistEpochUnix), 0));
}

Plist Plist::CopyOf(PlistView view) {
  return view.exists() ? Plist(plist_copy(view.node())) : Plist();
}

absl::StatusOr<Plist> Plist::Parse(std::string_view bytes) {
  plist_t node = nullptr;
  plist_from_memory(bytes.data(), static_cast<std::uint32_t>(bytes.size()), &node);
  if (node == nullptr) return absl::InvalidArgumentError("not a property list");
  return Plist(node);
}

Plist& Plist::operator=(Plist&& other) noexcept {
  std::swap(node_, other.node_);
  return *this;
}

Plist::~Plist() {
  if (node_ != nullptr) plist_free(node_);
}

plist_t Plist::Release() {
  return std::exchange(node_, nullptr);
}

Plist& Plist::Set(const char* key, Plist value) & {
  if (value.exists()) plist_dict_set_item(node_, key, value.Release());
  return *this;
}

Plist&& Plist::Set(const char* key, Plist value) && {
  Set(key, std::move(value));
  return std::move(*this);
}

Plist& Plist::Add(Plist value) & {
  if (value.exists()) plist_array_append_item(node_, value.Release());
  return *this;
}

Plist&& Plist::Add(Plist value) && {
  Add(std::move(value));
  return std::move(*this);
}

}  // namespace mooring::testing
