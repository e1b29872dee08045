// What the simulator says to an adb server, in the place of a USB cable.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace mooring::testing::android {

// Sends one host request ("host:connect:127.0.0.1:21000") to the adb server on
// 127.0.0.1:`port` and returns its answer. kUnavailable: nobody listens, or it hung up.
absl::StatusOr<std::string> AskAdbServer(std::uint16_t port, std::string_view request);

}  // namespace mooring::testing::android
