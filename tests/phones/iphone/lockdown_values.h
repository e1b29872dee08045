// What lockdownd answers to GetValue.

#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "tests/phones/iphone/phone.h"
#include "tests/phones/iphone/plist.h"

namespace mooring::testing {

// All values of `domain` (empty: the root). Without a session only what identifies the phone.
absl::StatusOr<Plist> LockdownValues(Phone& phone, const std::string& domain, bool in_session);

}  // namespace mooring::testing
