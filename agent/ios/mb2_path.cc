#include "agent/ios/mb2_path.h"

#include <algorithm>

#include <fmt/format.h>

#include "agent/ios/phone_failure.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kFileIdDigits = 40;

bool IsLowerHex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool IsCleanPath(std::string_view path) {
  if (path.find('\0') != std::string_view::npos || path.find('\\') != std::string_view::npos) {
    return false;
  }
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view component = path.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

// What may stand below <udid> and below <udid>/Snapshot.
bool IsListed(std::string_view rest) {
  if (rest == "Info.plist" || rest == "Status.plist" || rest == "Manifest.plist" ||
      rest == "Manifest.db") {
    return true;
  }
  if (rest.size() == 2) return IsLowerHex(rest, 2);
  return rest.size() == 3 + kFileIdDigits && rest[2] == '/' && IsLowerHex(rest.substr(0, 2), 2) &&
         IsLowerHex(rest.substr(3), kFileIdDigits);
}

}  // namespace

absl::StatusOr<PhonePath> ParsePhonePath(std::string_view path, std::string_view udid) {
  if (path.size() > kPhonePathBytesMax) return ProtocolError("a path that is too long");
  if (!path.empty() && path.back() == '/') path.remove_suffix(1);
  if (!IsCleanPath(path)) return ProtocolError("a path that leaves the backup");
  if (path.substr(0, udid.size()) != udid ||
      (path.size() > udid.size() && path[udid.size()] != '/')) {
    return ProtocolError("a path in another phone's backup");
  }
  if (path.size() == udid.size()) return PhonePath{true, std::string(kFullRoot)};
  const std::string_view below = path.substr(udid.size() + 1);
  if (below == "Snapshot") return PhonePath{true, std::string(kFullSnapshot)};
  constexpr std::string_view kSnapshotPrefix = "Snapshot/";
  const bool in_snapshot = below.substr(0, kSnapshotPrefix.size()) == kSnapshotPrefix;
  if (!IsListed(in_snapshot ? below.substr(kSnapshotPrefix.size()) : below)) return PhonePath{};
  return PhonePath{true, fmt::format("{}/{}", kFullRoot, below)};
}

std::string PayloadPath(std::string_view file_id) {
  if (!IsLowerHex(file_id, kFileIdDigits)) return {};
  return fmt::format("{}/{}/{}", kFullRoot, file_id.substr(0, 2), file_id);
}

bool IsPayloadPath(std::string_view path) {
  const std::size_t start = kFullRoot.size() + 1;
  return path.size() == start + 3 + kFileIdDigits &&
         path.substr(0, kFullRoot.size()) == kFullRoot && path[start - 1] == '/' &&
         IsListed(path.substr(start));
}

}  // namespace mooring::agent
