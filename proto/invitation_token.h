// The text form of an invitation: "mooring1." and the base64url of the message.

#pragma once

#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "mooring/v1/enrollment.pb.h"

namespace mooring {

inline constexpr std::string_view kInvitationPrefix = "mooring1.";
inline constexpr std::size_t kInvitationSecretBytes = 20;

std::string MakeInvitationToken(const v1::Invitation& invitation);

// kInvalidArgument: not an invitation, cut off, or of a later version.
absl::StatusOr<v1::Invitation> ParseInvitationToken(std::string_view token);

}  // namespace mooring
