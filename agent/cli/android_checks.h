// What doctor says about Android phones on this workstation.

#pragma once

#include <vector>

#include "agent/android/adb_server.h"
#include "agent/android/usb_bus.h"
#include "agent/cli/doctor.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"

namespace mooring::agent {

// Looks at adb, its server, the udev rules and the phones; changes nothing, and
// starts no server. A finding only where a phone is here that suffers from it.
std::vector<Check> CheckAndroid(AdbServer& server, UsbBus& usb, FileSystem& files, Clock& clock);

}  // namespace mooring::agent
