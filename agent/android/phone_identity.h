// Which phone it is: its serial number, and an id of the platform where the
// serial number is one that many phones share. Nothing is written to the phone.

#pragma once

#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "agent/android/adb_device.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Whether a serial number tells one phone from another. Cheap phones share
// such as 0123456789ABCDEF.
bool IsDistinctiveSerial(std::string_view serial);

// A hash of what Android keeps in Settings.Secure.ANDROID_ID until the phone is
// reset: 16 hexadecimal digits, empty for a phone that tells none.
std::string PlatformIdOf(std::string_view android_id);

// The name under which Mooring knows a phone: its serial number, with the
// platform's id behind it where the number is shared. Empty if nothing tells
// the phone apart.
std::string IdentityOf(std::string_view serial, std::string_view platform_id);

// Asks the phone; the same phone always gets the same answer, wherever and
// however it is attached. kFailedPrecondition: nothing tells it apart.
absl::StatusOr<std::string> IdentifyPhone(const OpContext& ctx, AdbDevice& device);
// Empty for a phone that tells none.
absl::StatusOr<std::string> AskPlatformId(const OpContext& ctx, AdbDevice& device);

}  // namespace mooring::agent
