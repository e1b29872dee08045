#include "proto/invitation_token.h"

#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring {
namespace {

constexpr std::size_t kTokenBytesMax = 1024;

absl::Status NotAnInvitation(std::string_view why) {
  return absl::InvalidArgumentError("invitation: " + std::string(why) +
                                    "; copy the whole line that `mooring agent invite` printed");
}

}  // namespace

std::string MakeInvitationToken(const v1::Invitation& invitation) {
  return std::string(kInvitationPrefix) + ToBase64Url(AsBytes(invitation.SerializeAsString()));
}

absl::StatusOr<v1::Invitation> ParseInvitationToken(std::string_view token) {
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' ')) {
    token.remove_suffix(1);
  }
  if (token.substr(0, kInvitationPrefix.size()) != kInvitationPrefix) {
    return NotAnInvitation("does not begin with \"mooring1.\"");
  }
  if (token.size() > kTokenBytesMax) return NotAnInvitation("too long");
  const auto bytes = FromBase64Url(token.substr(kInvitationPrefix.size()));
  v1::Invitation invitation;
  if (!bytes || !invitation.ParseFromString(ToString(*bytes)) ||
      invitation.secret().size() != kInvitationSecretBytes || invitation.ca_pin().size() != 32 ||
      invitation.address().empty()) {
    return NotAnInvitation("damaged or cut off");
  }
  return invitation;
}

}  // namespace mooring
