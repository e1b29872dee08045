// The engine for Android phones, over adb: files, apps, and what the content
// providers give. Start reading at agent/android/README.md.

#pragma once

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "agent/android/adb_server.h"
#include "agent/android/phone_line.h"
#include "agent/android/usb_bus.h"
#include "agent/device/device.h"
#include "storage/base/clock.h"

namespace mooring::agent {

struct AndroidDependencies {
  Clock& clock;
  // Both outlive the engine.
  AdbServer& server;
  UsbBus& usb;
  AndroidPatience patience;
};

// The phone with `serial` (agent/android/phone_identity.h), which need not be
// attached yet.
absl::StatusOr<std::unique_ptr<Engine>> MakeAndroidEngine(std::string serial,
                                                          const AndroidDependencies& dependencies);

// The same with another way to find the phone.
std::unique_ptr<Engine> MakeAndroidEngine(std::string serial, Clock& clock, FindPhone find,
                                          const AndroidPatience& patience);

}  // namespace mooring::agent
