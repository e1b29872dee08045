#include "storage/objects/object_store.h"

#include <algorithm>

#include <fmt/format.h>

namespace mooring::storage {
namespace {

bool IsKeyCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

absl::Status BadKey(std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("object key: {}", why));
}

}  // namespace

absl::Status CheckObjectKey(std::string_view key) {
  if (key.empty()) return BadKey("is empty");
  if (key.size() > kKeyBytesMax) {
    return BadKey(fmt::format("has {} bytes, more than {}", key.size(), kKeyBytesMax));
  }
  bool first = true;
  while (true) {
    const std::size_t slash = key.find('/');
    const std::string_view component = key.substr(0, slash);
    if (component.empty()) return BadKey("has an empty component");
    if (component.front() == '.') return BadKey("has a component that starts with a dot");
    if (component.size() > 255) return BadKey("has a component of more than 255 bytes");
    if (!std::all_of(component.begin(), component.end(), IsKeyCharacter)) {
      return BadKey("has a character that is not a-z, 0-9, '.', '-' or '_'");
    }
    if (first && (component == "staging" || component == "locks")) {
      return BadKey(fmt::format("starts with the reserved name {}", component));
    }
    if (slash == std::string_view::npos) return absl::OkStatus();
    key.remove_prefix(slash + 1);
    first = false;
  }
}

absl::Status CheckContext(const OpContext& ctx, Clock& clock) {
  if (ctx.stop.stop_requested()) return absl::CancelledError("the operation was called off");
  if (ctx.deadline != absl::InfiniteFuture() && clock.Now() >= ctx.deadline) {
    return absl::DeadlineExceededError("the operation's time is up");
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
