// What usbmuxd does on its own when a phone is attached: it pairs, so that the
// Trust dialog comes up before any program asks for it.

#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "tests/phones/iphone/plist.h"
#include "tests/phones/iphone/tls.h"

namespace mooring::testing {

struct HostPairing {
  HostTrust trust;  // What the phone gets to see.
  Plist record;     // What usbmuxd keeps, with the private keys.
};

// A new host identity with a root, a host and a device certificate over `phone_key`.
absl::StatusOr<HostPairing> MakeHostPairing(const PhoneKey& phone_key, const std::string& buid,
                                            const std::string& host_id,
                                            const std::string& wifi_address);

}  // namespace mooring::testing
