// The engine for iPhones and iPads: pairing, MobileBackup2, photos, restore.
// Start reading at agent/ios/README.md.

#pragma once

#include <memory>
#include <string>

#include "agent/device/device.h"
#include "agent/ios/phone_session.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace mooring::agent {

struct IosDependencies {
  Clock& clock;
  Random& random;
  IosPatience patience;
};

// The phone with `serial` (UDID, any case), which need not be attached yet.
// Ignores SIGPIPE for the process: the library writes to sockets that a phone
// may have closed.
std::unique_ptr<Engine> MakeIosEngine(std::string serial, const IosDependencies& dependencies);

}  // namespace mooring::agent
