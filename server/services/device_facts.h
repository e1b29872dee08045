// What phones say of themselves, made fit to be kept and shown.

#pragma once

#include <absl/status/statusor.h>

#include "mooring/v1/common.pb.h"
#include "mooring/v1/policy.pb.h"

namespace mooring::server {

// Facts of a phone are what the phone says: bounded, and without control
// characters. kInvalidArgument: no usable serial number.
absl::StatusOr<v1::DeviceFacts> CleanFacts(const v1::DeviceFacts& facts);

// `now` completed by what was known `before`, where the phone says little
// because it does not trust the workstation or cannot be used: a phone that is
// plugged in with USB debugging off is still the phone that it was.
v1::DeviceFacts MergeFacts(const v1::DeviceFacts& before, v1::DeviceFacts now);

// The company's device management, not the owner, keeps USB debugging off: the
// policy says so, or the phone was seen to be fully managed.
bool IsDebuggingForbidden(const v1::DeviceFacts& facts, const v1::Policy& policy);

}  // namespace mooring::server
