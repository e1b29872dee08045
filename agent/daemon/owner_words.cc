#include "agent/daemon/owner_words.h"

#include <fmt/format.h>

#include "storage/base/bytes.h"

namespace mooring::agent {
namespace {

// As many as `mooring session list` shows.
constexpr std::size_t kSessionDigits = 12;

}  // namespace

session::v1::Finished InOrganizationsWords(session::v1::Finished finished, bool is_backup,
                                           const v1::DeviceStanding& standing) {
  if (finished.succeeded()) {
    if (is_backup && standing.remind_debugging_off()) {
      finished.set_reminder(kDebuggingOffReminder);
    }
  } else if (finished.cause() == v1::CAUSE_USB_DEBUGGING_OFF && standing.debugging_forbidden()) {
    finished.set_cause(v1::CAUSE_USB_DEBUGGING_FORBIDDEN);
    finished.set_message(kDebuggingForbiddenMessage);
    finished.set_next_step("The administrators allow USB debugging for this phone, or exempt it");
  }
  return finished;
}

std::string DeskMessage(const v1::DeviceStanding& standing, v1::WaitingFor waiting_for,
                        const std::string& message) {
  if (!standing.assigned()) {
    return standing.another_phone() ? kAnotherPhoneMessage : kNotAssignedMessage;
  }
  if (waiting_for == v1::WAITING_FOR_USB_DEBUGGING && standing.debugging_forbidden()) {
    return kDebuggingForbiddenMessage;
  }
  return message;
}

std::string UnpluggedMessage(const v1::Progress& progress) {
  const std::string id = ToHex(AsBytes(progress.session_id())).substr(0, kSessionDigits);
  const char* const what = progress.waiting_for() == v1::WAITING_FOR_PHONE
                               ? "plug it in again to go on"
                               : "its session is ending";
  return fmt::format("unplugged: {} (session {})", what, id.empty() ? "not begun" : id);
}

bool WasForAPerson(v1::Cause cause) {
  switch (cause) {
    case v1::CAUSE_PASSCODE_NOT_ENTERED:
    case v1::CAUSE_CANCELLED_ON_PHONE:
    case v1::CAUSE_TRUST_REFUSED:
    case v1::CAUSE_DECLINED:
    case v1::CAUSE_CANCELLED:
    case v1::CAUSE_ENCRYPTION_REQUIRED:
    case v1::CAUSE_WRONG_BACKUP_PASSWORD:
    case v1::CAUSE_NO_USB_RIGHTS:
    case v1::CAUSE_PHONE_NOT_STARTED:
    case v1::CAUSE_USB_DEBUGGING_OFF:
    case v1::CAUSE_USB_DEBUGGING_FORBIDDEN:
      return true;
    default:
      return false;
  }
}

}  // namespace mooring::agent
