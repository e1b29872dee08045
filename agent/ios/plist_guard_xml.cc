#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "agent/ios/plist_guard.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::array<std::string_view, 11> kTags = {
    "plist", "dict", "array", "key", "string", "data", "date", "integer", "real", "true", "false"};
constexpr std::array<std::string_view, 5> kEntities = {"amp", "lt", "gt", "quot", "apos"};
// Longest entity between & and ;, enough for #x10FFFF.
constexpr std::size_t kEntityCharactersMax = 8;

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("property list: {}", what));
}

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

class XmlChecker {
 public:
  XmlChecker(std::string_view text, const PlistLimits& limits) : text_(text), limits_(limits) {}

  absl::Status Check() {
    while (at_ < text_.size()) {
      if (text_[at_] == '<') {
        MOORING_RETURN_IF_ERROR(Markup());
      } else {
        MOORING_RETURN_IF_ERROR(Text());
      }
    }
    if (!open_.empty()) return Bad("ends inside an element");
    return objects_ == 0 ? Bad("holds no element") : absl::OkStatus();
  }

 private:
  // Moves behind the next `end`.
  absl::Status SkipPast(std::string_view end) {
    const std::size_t found = text_.find(end, at_);
    if (found == std::string_view::npos) return Bad("unfinished markup");
    at_ = found + end.size();
    return absl::OkStatus();
  }

  absl::Status Markup() {
    const std::string_view rest = text_.substr(at_);
    if (rest.substr(0, 2) == "<?") return SkipPast("?>");
    if (rest.substr(0, 4) == "<!--") return SkipPast("-->");
    if (rest.substr(0, 9) == "<!DOCTYPE") return DocumentType();
    if (rest.substr(0, 2) == "<!") return Bad("declaration that is not allowed");
    return Element();
  }

  // Only the external identifier: an internal subset could declare entities.
  absl::Status DocumentType() {
    if (objects_ > 0) return Bad("document type inside the list");
    const std::size_t start = at_;
    MOORING_RETURN_IF_ERROR(SkipPast(">"));
    const std::string_view type = text_.substr(start, at_ - start);
    if (type.find('[') != std::string_view::npos) return Bad("document type with declarations");
    return absl::OkStatus();
  }

  absl::Status Element() {
    const std::size_t start = at_ + 1;
    MOORING_RETURN_IF_ERROR(SkipPast(">"));
    std::string_view body = text_.substr(start, at_ - 1 - start);
    const bool closes = !body.empty() && body.front() == '/';
    if (closes) body.remove_prefix(1);
    const bool is_empty = !closes && !body.empty() && body.back() == '/';
    if (is_empty) body.remove_suffix(1);
    std::size_t length = 0;
    while (length < body.size() && !IsSpace(body[length])) ++length;
    const std::string_view tag = body.substr(0, length);
    if (std::find(kTags.begin(), kTags.end(), tag) == kTags.end()) return Bad("unknown element");
    if (body.find('<') != std::string_view::npos) return Bad("markup inside a tag");
    if (closes) return Close(tag);
    // Every element may become an object.
    if (++objects_ > limits_.objects_max) return Bad("number of objects");
    if (open_.size() >= limits_.depth_max) return Bad("nested too deeply");
    if (!is_empty) open_.push_back(tag);
    return absl::OkStatus();
  }

  absl::Status Close(std::string_view tag) {
    if (open_.empty() || open_.back() != tag) return Bad("elements that do not match");
    open_.pop_back();
    return absl::OkStatus();
  }

  absl::Status Text() {
    while (at_ < text_.size() && text_[at_] != '<') {
      const char c = text_[at_];
      if (c == '\0') return Bad("NUL character");
      if (open_.empty() && !IsSpace(c) && objects_ > 0) return Bad("text behind the list");
      if (open_.empty() && !IsSpace(c) && !IsByteOrderMark()) return Bad("not a property list");
      if (c == '&') {
        MOORING_RETURN_IF_ERROR(Entity());
      } else {
        ++at_;
      }
    }
    return absl::OkStatus();
  }

  bool IsByteOrderMark() const { return at_ < 3 && text_.substr(0, 3) == "\xEF\xBB\xBF"; }

  absl::Status Entity() {
    const std::size_t end = text_.find(';', at_);
    if (end == std::string_view::npos || end - at_ - 1 > kEntityCharactersMax) {
      return Bad("unfinished entity");
    }
    const std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
    const bool is_number = name.size() > 1 && name.front() == '#';
    if (!is_number && std::find(kEntities.begin(), kEntities.end(), name) == kEntities.end()) {
      return Bad("entity that is not allowed");
    }
    at_ = end + 1;
    return absl::OkStatus();
  }

  const std::string_view text_;
  const PlistLimits limits_;
  std::size_t at_ = 0;
  std::uint64_t objects_ = 0;
  std::vector<std::string_view> open_;
};

}  // namespace

absl::Status CheckXmlPlist(ByteView bytes, const PlistLimits& limits) {
  return XmlChecker(AsText(bytes), limits).Check();
}

}  // namespace mooring::agent
