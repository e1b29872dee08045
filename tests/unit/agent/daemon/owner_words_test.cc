#include "agent/daemon/owner_words.h"

#include <gtest/gtest.h>

namespace mooring::agent {
namespace {

session::v1::Finished Missed(v1::Cause cause) {
  session::v1::Finished finished;
  finished.set_cause(cause);
  finished.set_message("as the engine has it");
  return finished;
}

TEST(OwnerWordsTest, ForbiddenDebuggingIsNotTheOwnersMiss) {
  v1::DeviceStanding standing;
  standing.set_assigned(true);
  EXPECT_EQ(InOrganizationsWords(Missed(v1::CAUSE_USB_DEBUGGING_OFF), true, standing).cause(),
            v1::CAUSE_USB_DEBUGGING_OFF);
  standing.set_debugging_forbidden(true);
  const auto said = InOrganizationsWords(Missed(v1::CAUSE_USB_DEBUGGING_OFF), true, standing);
  EXPECT_EQ(said.cause(), v1::CAUSE_USB_DEBUGGING_FORBIDDEN);
  EXPECT_NE(said.message().find("not your doing"), std::string::npos);
  EXPECT_EQ(InOrganizationsWords(Missed(v1::CAUSE_UNPLUGGED), true, standing).cause(),
            v1::CAUSE_UNPLUGGED);
  EXPECT_EQ(DeskMessage(standing, v1::WAITING_FOR_USB_DEBUGGING, "switch it on"),
            kDebuggingForbiddenMessage);
  EXPECT_EQ(DeskMessage(standing, v1::WAITING_FOR_TRUST, "tap Allow"), "tap Allow");
  standing.set_assigned(false);
  EXPECT_EQ(DeskMessage(standing, v1::WAITING_FOR_TRUST, "tap Allow"), kNotAssignedMessage);
  standing.set_another_phone(true);
  EXPECT_EQ(DeskMessage(standing, v1::WAITING_FOR_TRUST, "tap Allow"), kAnotherPhoneMessage);
}

TEST(OwnerWordsTest, TheReminderComesWherePolicyWantsItAndABackupSucceeded) {
  session::v1::Finished finished;
  finished.set_succeeded(true);
  v1::DeviceStanding standing;
  EXPECT_EQ(InOrganizationsWords(finished, true, standing).reminder(), "");
  standing.set_remind_debugging_off(true);
  EXPECT_EQ(InOrganizationsWords(finished, true, standing).reminder(), kDebuggingOffReminder);
  EXPECT_EQ(InOrganizationsWords(finished, false, standing).reminder(), "") << "a restore";
  EXPECT_EQ(InOrganizationsWords(Missed(v1::CAUSE_UNPLUGGED), true, standing).reminder(), "");
}

TEST(OwnerWordsTest, AnUnpluggedPhoneIsShownWithItsSession) {
  v1::Progress progress;
  EXPECT_EQ(UnpluggedMessage(progress), "unplugged: its session is ending (session not begun)");
  progress.set_waiting_for(v1::WAITING_FOR_PHONE);
  progress.set_session_id(std::string("\x12\xab\x00\xff\x77\x01\x02", 7));
  EXPECT_EQ(UnpluggedMessage(progress),
            "unplugged: plug it in again to go on (session 12ab00ff7701)");
}

TEST(OwnerWordsTest, WhoSaidNoIsLeftAloneForLonger) {
  EXPECT_TRUE(WasForAPerson(v1::CAUSE_USB_DEBUGGING_OFF));
  EXPECT_TRUE(WasForAPerson(v1::CAUSE_PASSCODE_NOT_ENTERED));
  EXPECT_FALSE(WasForAPerson(v1::CAUSE_UNPLUGGED));
  EXPECT_FALSE(WasForAPerson(v1::CAUSE_PHONE_OFFLINE));
}

}  // namespace
}  // namespace mooring::agent
