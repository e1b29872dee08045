// What a phone says of itself before anything of its content is read, and how
// the phone that the agent calls by its serial is found at the adb server.

#pragma once

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "agent/android/adb_device.h"
#include "agent/android/adb_server.h"
#include "agent/android/phone_state.h"
#include "agent/android/usb_bus.h"
#include "agent/device/device.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// A phone as it is attached now.
struct AndroidPhone {
  PhoneState state = PhoneState::kOffline;
  // Null unless usable.
  std::unique_ptr<AdbDevice> device;
};

// The attached phone whose identity (phone_identity.h) is `serial`. Waits for
// nobody. kUnavailable (CAUSE_UNPLUGGED): no such phone. `server` outlives it.
absl::StatusOr<AndroidPhone> FindAndroid(const OpContext& ctx, AdbServer& server, UsbBus& usb,
                                         const std::string& serial);

// What to tell of a phone that is here but cannot be used.
ProbeResult ProbeUnusable(const std::string& serial, PhoneState state);

// The facts of a usable phone with its capabilities. Reads properties, states
// and, of each content provider, whether it answers; no content. waiting_for is
// WAITING_FOR_UNLOCK for a phone that was not unlocked since it was switched on.
absl::StatusOr<ProbeResult> ProbeAndroid(const OpContext& ctx, AdbDevice& device,
                                         const std::string& serial);

}  // namespace mooring::agent
