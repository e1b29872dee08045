// What the desk says beyond what an engine or the server said.

#pragma once

#include <string>

#include "mooring/session/v1/session.pb.h"
#include "mooring/v1/agent.pb.h"

namespace mooring::agent {

// What the desk says of a phone that is bound to nobody.
inline constexpr char kNotAssignedMessage[] =
    "Not assigned to anyone yet, so nothing is read from it; an administrator assigns it with "
    "mooring device assign";

// What it says of a phone whose serial number another one had before.
inline constexpr char kAnotherPhoneMessage[] =
    "Another phone than before has this serial number, so nothing is read from it; an "
    "administrator assigns it again with mooring device assign";

// What its owner reads where the company's device management keeps USB debugging off.
inline constexpr char kDebuggingForbiddenMessage[] =
    "Your company's device management does not allow USB debugging on this phone, so it cannot be "
    "backed up here; this is not your doing, and the administrators see it as such";

// After a backup, where policy asks for it.
inline constexpr char kDebuggingOffReminder[] =
    "You can switch USB debugging off again: Settings > System > Developer options";

// A session's end as the organization sees it: a phone whose USB debugging the
// company forbids is no miss of its owner's, and policy may ask for a reminder.
session::v1::Finished InOrganizationsWords(session::v1::Finished finished, bool is_backup,
                                           const v1::DeviceStanding& standing);

// What the desk shows of a probed phone; `message` is the probe's own.
std::string DeskMessage(const v1::DeviceStanding& standing, v1::WaitingFor waiting_for,
                        const std::string& message);

// What it shows of a phone that was unplugged in the session whose progress this is.
std::string UnpluggedMessage(const v1::Progress& progress);

// How long a phone that failed for `cause` is left alone: a person who said no,
// or was not there, is not asked again at once.
bool WasForAPerson(v1::Cause cause);

}  // namespace mooring::agent
