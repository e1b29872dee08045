// The framing that lockdownd and most services share: u32 big-endian length and a
// property list.

#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "tests/phones/iphone/channel.h"
#include "tests/phones/iphone/plist.h"

namespace mooring::testing {

// kUnavailable: the host has gone. kInvalidArgument: what it sent is no message.
absl::StatusOr<Plist> ReceivePlist(Channel& channel);
absl::Status SendXmlPlist(Channel& channel, const Plist& plist);
absl::Status SendBinaryPlist(Channel& channel, const Plist& plist);

}  // namespace mooring::testing
