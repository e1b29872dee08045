#include "agent/android/find_listing.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <optional>

namespace mooring::agent {
namespace {

constexpr std::size_t kFields = 5;
// Mode, numbers and a path of PATH_MAX bytes.
constexpr std::size_t kRecordBytesMax = 8192;
constexpr std::size_t kModeLength = 10;
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::size_t kFractionDigits = 9;
// Years 1677 to 2262: what nanoseconds in 64 bits can say.
constexpr std::int64_t kSecondsMax = 9'223'372'035;

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Seconds, a dot, nanoseconds. toybox (0.8.9) writes the nanoseconds as a number
// without leading zeros: 5.40645704 is 40,645,704 ns. GNU find writes ten digits.
std::optional<std::int64_t> ParseTime(std::string_view text) {
  const std::size_t dot = text.find('.');
  const auto seconds = ParseNumber<std::int64_t>(text.substr(0, dot));
  if (!seconds || *seconds > kSecondsMax || *seconds < -kSecondsMax) return std::nullopt;
  if (dot == std::string_view::npos) return *seconds * kSecondNs;
  const std::string_view fraction = text.substr(dot + 1);
  if (fraction.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  const auto ns = ParseNumber<std::int64_t>(fraction.substr(0, kFractionDigits));
  if (!ns) return std::nullopt;
  return *seconds * kSecondNs + *ns;
}

PhoneFileType TypeOf(char c) {
  switch (c) {
    case '-':
      return PhoneFileType::kFile;
    case 'd':
      return PhoneFileType::kDirectory;
    case 'l':
      return PhoneFileType::kSymlink;
    default:
      return PhoneFileType::kOther;
  }
}

// "rwxr-x--T": set-id and sticky letters count as the bits that they stand for.
std::uint32_t PermissionsOf(std::string_view letters) {
  std::uint32_t mode = 0;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const char c = letters[i];
    const bool is_set = c != '-' && c != 'S' && c != 'T';
    mode = (mode << 1U) | (is_set ? 1U : 0U);
  }
  return mode & 0777U;
}

absl::Status Wrong(const char* what) {
  return absl::InvalidArgumentError(std::string("the phone's file list: ") + what);
}

}  // namespace

absl::Status ParseFound(std::string_view record, FoundFile& found) {
  std::array<std::string_view, kFields> fields;
  for (std::size_t i = 0; i + 1 < kFields; ++i) {
    const std::size_t tab = record.find('\t');
    if (tab == std::string_view::npos) return Wrong("a record with too few fields");
    fields[i] = record.substr(0, tab);
    record.remove_prefix(tab + 1);
  }
  fields[kFields - 1] = record;
  if (fields[0].size() != kModeLength) return Wrong("a mode that is none");
  const auto size = ParseNumber<std::uint64_t>(fields[1]);
  const auto time = ParseTime(fields[2]);
  const auto inode = ParseNumber<std::uint64_t>(fields[3]);
  if (!size) return Wrong("a size that is none");
  if (!time) return Wrong("a time that is none");
  if (!inode) return Wrong("an inode that is none");
  found.type = TypeOf(fields[0][0]);
  found.mode = PermissionsOf(fields[0].substr(1));
  found.size_bytes = *size;
  found.modified_unix_ns = *time;
  found.inode = *inode;
  found.path = fields[4];
  return absl::OkStatus();
}

absl::Status FindListing::Feed(ByteView bytes, Sink sink) {
  std::string_view text = AsText(bytes);
  FoundFile found;
  while (!text.empty()) {
    const std::size_t nul = text.find('\0');
    if (nul == std::string_view::npos || !rest_.empty()) {
      rest_.append(text.substr(0, nul));
      if (rest_.size() > kRecordBytesMax) return Wrong("a record longer than any path");
      if (nul == std::string_view::npos) return absl::OkStatus();
      const absl::Status parsed = ParseFound(rest_, found);
      if (!parsed.ok()) return parsed;
      const absl::Status taken = sink(found);
      if (!taken.ok()) return taken;
      rest_.clear();
    } else {
      if (nul > kRecordBytesMax) return Wrong("a record longer than any path");
      const absl::Status parsed = ParseFound(text.substr(0, nul), found);
      if (!parsed.ok()) return parsed;
      const absl::Status taken = sink(found);
      if (!taken.ok()) return taken;
    }
    text.remove_prefix(nul + 1);
  }
  return absl::OkStatus();
}

absl::Status FindListing::Finish() const {
  return rest_.empty() ? absl::OkStatus() : Wrong("it ends in the middle of a record");
}

}  // namespace mooring::agent
