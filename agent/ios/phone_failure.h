// What a phone's refusals mean, as a Status with cause and next step.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

namespace mooring::agent {

inline std::string_view ToStdView(absl::string_view text) {
  return {text.data(), text.size()};
}

// The phone sent what the protocol does not allow. `what` names no content.
absl::Status ProtocolError(std::string_view what);

enum class PhoneTask { kBackup, kRestore };

// A MobileBackup2 response with an error code other than 0. `description` is
// the phone's own text; only numbers of bytes are taken from it, for it may name content.
absl::Status PhoneResponseFailure(PhoneTask task, std::int64_t code,
                                  const std::string& description);

}  // namespace mooring::agent
