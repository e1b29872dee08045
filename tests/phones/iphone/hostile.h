// What a hostile phone sends in the middle of a backup.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "tests/phones/iphone/device_link.h"

namespace mooring::testing {

// The names that SendHostile knows.
std::vector<std::string_view> HostileNames();

// Sends the attack `name` in place of an upload batch and waits up to ten seconds
// for the host to do something. Never returns OK: the conversation is beyond use.
absl::Status SendHostile(DeviceLink& link, const std::string& target, std::string_view name);

}  // namespace mooring::testing
