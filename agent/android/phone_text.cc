#include "agent/android/phone_text.h"

#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>

#include "proto/plain_text.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kPropertiesMax = 10'000;
constexpr std::size_t kUsersMax = 100;
// UserInfo.FLAG_MANAGED_PROFILE.
constexpr std::uint32_t kManagedProfile = 0x20;

std::string_view Trim(std::string_view text) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(ToAbsl(text));
  return {trimmed.data(), trimmed.size()};
}

// One line after the other; a phone may end them with CR LF.
std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    std::string_view one(line.data(), line.size());
    if (one.ends_with('\r')) one.remove_suffix(1);
    lines.push_back(one);
  }
  return lines;
}

template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value = 0;
  if (!absl::SimpleAtoi(ToAbsl(text), &value)) return std::nullopt;
  return value;
}

}  // namespace

Properties ParseProperties(std::string_view text) {
  Properties properties;
  std::string name;
  std::string value;
  bool open = false;  // In a value that did not end on its line.
  for (const std::string_view line : Lines(text)) {
    if (!open) {
      const std::size_t middle = line.find("]: [");
      if (!line.starts_with('[') || middle == std::string_view::npos) continue;
      name = line.substr(1, middle - 1);
      value = line.substr(middle + 4);
    } else {
      value.push_back('\n');
      value += line;
    }
    open = !value.ends_with(']');
    if (open) continue;
    value.pop_back();
    if (properties.size() == kPropertiesMax) break;
    // The first wins: what a value pretends to be a property comes later.
    properties.emplace(std::move(name), std::move(value));
    name.clear();
    value.clear();
  }
  return properties;
}

std::string PropertyOf(const Properties& properties, std::string_view name) {
  const auto it = properties.find(name);
  return it == properties.end() ? "" : it->second;
}

std::optional<int> ParseBatteryPercent(std::string_view text) {
  std::optional<int> level;
  std::optional<int> scale;
  for (const std::string_view line : Lines(text)) {
    const std::string_view one = Trim(line);
    if (one.starts_with("level:") && !level) level = ParseNumber<int>(Trim(one.substr(6)));
    if (one.starts_with("scale:") && !scale) scale = ParseNumber<int>(Trim(one.substr(6)));
  }
  const int whole = scale.value_or(100);
  if (!level || whole <= 0 || whole > 10'000 || *level < 0 || *level > whole) return std::nullopt;
  return *level * 100 / whole;
}

std::vector<PhoneUser> ParseUsers(std::string_view text) {
  std::vector<PhoneUser> users;
  for (const std::string_view line : Lines(text)) {
    std::string_view rest = Trim(line);
    constexpr std::string_view kStart = "UserInfo{";
    if (!rest.starts_with(kStart) || users.size() == kUsersMax) continue;
    rest.remove_prefix(kStart.size());
    const std::size_t colon = rest.find(':');
    // The name between may hold colons and braces: the flags are behind the last.
    const std::size_t end = rest.rfind('}');
    if (colon == std::string_view::npos || end == std::string_view::npos || end < colon) continue;
    const std::size_t last = rest.rfind(':', end);
    PhoneUser user;
    const auto id = ParseNumber<int>(rest.substr(0, colon));
    std::uint32_t flags = 0;
    if (!id || *id < 0 ||
        !absl::SimpleHexAtoi(ToAbsl(rest.substr(last + 1, end - last - 1)), &flags)) {
      continue;
    }
    user.id = *id;
    user.is_work_profile = (flags & kManagedProfile) != 0;
    user.is_running = Trim(rest.substr(end + 1)) == "running";
    users.push_back(user);
  }
  return users;
}

std::optional<PhoneSpace> ParseSpace(std::string_view text) {
  std::optional<PhoneSpace> space;
  for (const std::string_view line : Lines(text)) {
    // Filesystem 1K-blocks Used Available Use% Mounted; the first column may
    // stand on a line of its own.
    std::vector<absl::string_view> words =
        absl::StrSplit(ToAbsl(line), absl::ByAnyChar(" \t"), absl::SkipEmpty());
    for (std::size_t at = 0; at + 2 < words.size() && at < 2; ++at) {
      const auto total = ParseNumber<std::uint64_t>({words[at].data(), words[at].size()});
      const auto used = ParseNumber<std::uint64_t>({words[at + 1].data(), words[at + 1].size()});
      constexpr std::uint64_t kBlocksMax = std::uint64_t{1} << 50;
      if (!total || !used || *total > kBlocksMax || *used > *total) continue;
      space = PhoneSpace{*total * 1024, *used * 1024};
      break;
    }
  }
  return space;
}

bool HasDeviceOwner(std::string_view text) {
  for (const std::string_view line : Lines(text)) {
    if (Trim(line).starts_with("Device Owner:")) return true;
  }
  return false;
}

std::optional<bool> ParseScreenLocked(std::string_view text) {
  for (const std::string_view line : Lines(text)) {
    // User "Owner" (id=0, flags=0x4c13) (current): ..., deviceLocked=1, ...
    if (line.find("(id=0,") == std::string_view::npos) continue;
    // The name comes before and may say anything: the last word counts.
    const std::size_t at = line.rfind("deviceLocked=");
    if (at == std::string_view::npos) continue;
    const std::string_view value = line.substr(at + 13, 1);
    if (value == "1") return true;
    if (value == "0") return false;
  }
  return std::nullopt;
}

std::string CleanPhoneText(std::string_view text, std::size_t bytes_max) {
  const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
  std::string clean = CleanText(Trim(line));
  std::size_t end = std::min(clean.size(), bytes_max);
  // Not in the middle of a character.
  while (end < clean.size() && end > 0 &&
         (static_cast<unsigned char>(clean[end]) & 0xC0U) == 0x80) {
    --end;
  }
  clean.resize(end);
  return clean;
}

}  // namespace mooring::agent
