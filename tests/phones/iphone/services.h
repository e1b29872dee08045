// The services of a phone, by port and by name.

#pragma once

#include <cstdint>

#include "tests/phones/iphone/channel.h"
#include "tests/phones/iphone/phone.h"

namespace mooring::testing {

inline constexpr std::uint16_t kLockdownPort = 62078;

// Whether StartService may be asked for `name`.
bool IsKnownService(std::string_view name);

// Each returns when its conversation is over, for whatever reason; what the host
// did wrong is on record in the phone.
void ServeLockdown(Phone& phone, Channel& channel);
// Begins TLS if the service was started in a session, and serves it.
void ServeService(Phone& phone, const Phone::PendingService& service, Channel& channel);

// The services themselves.
absl::Status ServeMobileBackup2(Phone& phone, Channel& channel);
absl::Status ServeAfc(Phone& phone, Channel& channel);
absl::Status ServeNotificationProxy(Phone& phone, Channel& channel);
absl::Status ServeInstallationProxy(Phone& phone, Channel& channel);
absl::Status ServeSpringBoard(Phone& phone, Channel& channel);
absl::Status ServeDiagnosticsRelay(Phone& phone, Channel& channel);

}  // namespace mooring::testing
