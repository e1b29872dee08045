#include "proto/invitation_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mooring {
namespace {

using ::testing::HasSubstr;

v1::Invitation Example() {
  v1::Invitation invitation;
  invitation.set_secret(std::string(kInvitationSecretBytes, 's'));
  invitation.set_ca_pin(std::string(32, 'p'));
  invitation.set_address("backup.example:7444");
  return invitation;
}

TEST(InvitationTokenTest, ComesBackEqualAndForgivesALineEnd) {
  const std::string token = MakeInvitationToken(Example());
  const auto parsed = ParseInvitationToken(token + "\n");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->SerializeAsString(), Example().SerializeAsString());
}

TEST(InvitationTokenTest, EveryTruncationIsRefused) {
  const std::string token = MakeInvitationToken(Example());
  for (std::size_t length = 0; length < token.size(); ++length) {
    const auto parsed = ParseInvitationToken(token.substr(0, length));
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << length;
  }
}

TEST(InvitationTokenTest, SaysWhatIsWrong) {
  EXPECT_THAT(std::string(ParseInvitationToken("mk_abc").status().message()),
              HasSubstr("does not begin with \"mooring1.\""));
  v1::Invitation no_pin = Example();
  no_pin.clear_ca_pin();
  EXPECT_THAT(std::string(ParseInvitationToken(MakeInvitationToken(no_pin)).status().message()),
              HasSubstr("damaged or cut off"));
  EXPECT_FALSE(ParseInvitationToken("mooring1." + std::string(2000, 'A')).ok());
}

}  // namespace
}  // namespace mooring
