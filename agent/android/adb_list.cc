#include "agent/android/adb_list.h"

#include <array>
#include <utility>

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

using Row = std::pair<std::string_view, AdbState>;
constexpr std::array kStates = {
    Row{"device", AdbState::kDevice},
    Row{"offline", AdbState::kOffline},
    Row{"unauthorized", AdbState::kUnauthorized},
    Row{"authorizing", AdbState::kAuthorizing},
    Row{"connecting", AdbState::kConnecting},
    Row{"recovery", AdbState::kRecovery},
    Row{"sideload", AdbState::kSideload},
    Row{"bootloader", AdbState::kBootloader},
    Row{"rescue", AdbState::kRescue},
};

// The longest that a serial or a key's value may be.
constexpr std::size_t kWordBytesMax = 256;

// A serial goes into file names of nobody but into tables and logs.
bool IsPlain(std::string_view word) {
  if (word.size() > kWordBytesMax) return false;
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte > 0x7e) return false;
  }
  return true;
}

AdbState StateOf(std::string_view word) {
  for (const Row& row : kStates) {
    if (row.first == word) return row.second;
  }
  return AdbState::kOther;
}

// `keys` are what follows the state: "usb:1-2 product:x model:y transport_id:3".
bool TakeKeys(std::string_view keys, AdbListed& listed) {
  for (const absl::string_view piece : absl::StrSplit(ToAbsl(keys), ' ', absl::SkipEmpty())) {
    const std::string_view word(piece.data(), piece.size());
    if (!IsPlain(word)) return false;
    if (word.starts_with("usb:")) listed.usb_path = word.substr(4);
    if (word.starts_with("model:")) listed.model = word.substr(6);
    if (word.starts_with("transport_id:") &&
        !absl::SimpleAtoi(ToAbsl(word.substr(13)), &listed.transport_id)) {
      return false;
    }
  }
  return true;
}

bool TakeLine(std::string_view line, AdbListed& listed) {
  const std::size_t gap = line.find_first_of(" \t");
  if (gap == std::string_view::npos) return false;
  const std::string_view serial = line.substr(0, gap);
  if (!IsPlain(serial)) return false;
  // What adb prints for a device that tells no serial.
  if (serial != "(no" && serial != "????????????") listed.serial = serial;
  std::string_view rest = line.substr(gap);
  if (serial == "(no") {  // "(no serial number)"
    const std::size_t end = rest.find("number)");
    if (end == std::string_view::npos) return false;
    rest.remove_prefix(end + 7);
  }
  const std::size_t start = rest.find_first_not_of(" \t");
  if (start == std::string_view::npos) return false;
  rest.remove_prefix(start);
  // The one state of several words explains itself in parentheses or at length,
  // and the keys come after it.
  if (rest.starts_with("no permissions")) {
    listed.state = AdbState::kNoPermissions;
    const std::size_t usb = rest.rfind(" usb:");
    const std::size_t id = rest.rfind(" transport_id:");
    const std::size_t keys = std::min(usb, id);
    return keys == std::string_view::npos || TakeKeys(rest.substr(keys), listed);
  }
  const std::size_t end = rest.find(' ');
  listed.state = StateOf(rest.substr(0, end));
  return end == std::string_view::npos || TakeKeys(rest.substr(end), listed);
}

}  // namespace

absl::StatusOr<std::vector<AdbListed>> ParseAdbList(std::string_view text) {
  if (text.size() > kAdbListBytesMax) {
    return absl::InvalidArgumentError("adb's list of phones is too long");
  }
  std::vector<AdbListed> all;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n', absl::SkipEmpty())) {
    AdbListed listed;
    if (TakeLine({line.data(), line.size()}, listed)) all.push_back(std::move(listed));
  }
  return all;
}

}  // namespace mooring::agent
