#include "admin/cli/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include "proto/plain_text.h"
#include "storage/base/bytes.h"

namespace mooring::admin {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// East Asian wide and fullwidth, and emoji: two cells on a terminal.
constexpr std::array<Range, 9> kWide = {{{0x1100, 0x115F},
                                         {0x2E80, 0x303E},
                                         {0x3041, 0xA4CF},
                                         {0xAC00, 0xD7A3},
                                         {0xF900, 0xFAFF},
                                         {0xFE30, 0xFE6F},
                                         {0xFF00, 0xFF60},
                                         {0x1F300, 0x1FAFF},
                                         {0x20000, 0x3FFFD}}};
// Combining marks, joiners and variation selectors: drawn over the one before.
constexpr std::array<Range, 6> kZero = {{{0x0300, 0x036F},
                                         {0x0483, 0x0489},
                                         {0x1AB0, 0x1AFF},
                                         {0x200B, 0x200D},
                                         {0x20D0, 0x20FF},
                                         {0xFE00, 0xFE0F}}};

template <std::size_t kCount>
bool Within(const std::array<Range, kCount>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

std::size_t CellsOf(char32_t c) {
  if (Within(kZero, c)) return 0;
  return Within(kWide, c) ? 2 : 1;
}

}  // namespace

std::size_t DisplayWidth(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    width += CellsOf(point.value);
    text.remove_prefix(point.bytes);
  }
  return width;
}

std::string Truncate(std::string_view text, std::size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::string out;
  std::size_t used = 0;
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    const std::size_t cells = CellsOf(point.value);
    if (used + cells > width - 1) break;
    used += cells;
    out += text.substr(0, point.bytes);
    text.remove_prefix(point.bytes);
  }
  return out + "\u2026";
}

std::string BytesText(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 would be shown as 1024.0 of the smaller unit.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string RoomText(std::uint64_t free_bytes, std::uint64_t total_bytes) {
  // So says a bucket without a quota.
  if (total_bytes >= std::numeric_limits<std::int64_t>::max()) return "no limit is known";
  return fmt::format("{} free of {}", BytesText(free_bytes), BytesText(total_bytes));
}

std::string DurationText(absl::Duration duration) {
  const bool negative = duration < absl::ZeroDuration();
  const std::int64_t seconds = absl::ToInt64Seconds(absl::AbsDuration(duration));
  const std::string sign = negative && seconds > 0 ? "-" : "";
  if (seconds < 60) return fmt::format("{}{}s", sign, seconds);
  if (seconds < 60 * 60) return fmt::format("{}{}m", sign, seconds / 60);
  if (seconds < 48 * 60 * 60) return fmt::format("{}{}h", sign, seconds / (60 * 60));
  const std::int64_t days = seconds / (24 * 60 * 60);
  if (days < 2 * 365) return fmt::format("{}{}d", sign, days);
  return fmt::format("{}{}y", sign, days / 365);
}

std::string DurationText(const google::protobuf::Duration& duration) {
  return DurationText(absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos()));
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

std::string AgeText(const google::protobuf::Timestamp& time, absl::Time now) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  const absl::Duration age = now - ToTime(time);
  // The server's clock may be a moment ahead of ours.
  if (age < absl::ZeroDuration() && age > -absl::Seconds(5)) return "0s ago";
  return age < absl::ZeroDuration() ? "in " + DurationText(-age) : DurationText(age) + " ago";
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", ToTime(time), absl::UTCTimeZone());
}

std::string ShortId(std::string_view id) {
  return id.empty() ? "-" : ToHex(AsBytes(id.substr(0, 6)));
}

std::string EnumText(const google::protobuf::EnumDescriptor& type, int value) {
  const auto* found = type.FindValueByNumber(value);
  if (found == nullptr) return fmt::format("{}", value);
  constexpr std::string_view kUnspecified = "UNSPECIFIED";
  const std::string& zero = type.FindValueByNumber(0)->name();
  if (found->number() == 0) return "-";
  std::string text = found->name().substr(zero.size() - kUnspecified.size());
  std::replace(text.begin(), text.end(), '_', ' ');
  absl::AsciiStrToLower(&text);
  return text;
}

std::string CountText(std::uint64_t count, std::string_view singular, std::string_view plural) {
  return fmt::format("{} {}", count, count == 1 ? singular : plural);
}

absl::StatusOr<absl::Duration> ParseLifetime(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (error == std::errc() && number > 0 && unit.size() == 1) {
    switch (unit[0]) {
      case 's':
        return absl::Seconds(number);
      case 'm':
        return absl::Minutes(number);
      case 'h':
        return absl::Hours(number);
      case 'd':
        return absl::Hours(24) * number;
      case 'w':
        return absl::Hours(24 * 7) * number;
      default:
        break;
    }
  }
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not a length of time; write a number and s, m, h, d or w, as in 24h",
                  CleanText(text)));
}

}  // namespace mooring::admin
