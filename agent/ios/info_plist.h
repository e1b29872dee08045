// Info.plist: the one file of an iPhone backup that the host writes. It says
// what phone and which apps the backup is of; a restore reads it.

#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "agent/ios/lockdown.h"
#include "agent/ios/plist.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"

namespace mooring::agent {

// Builds Info.plist for the phone as it is now. Apps and the iTunes files are
// left out where the phone does not give them; the identity is required.
// `afc` may be null.
absl::StatusOr<Plist> BuildInfoPlist(const OpContext& ctx, Clock& clock, Random& random,
                                     Lockdown& lockdown, const std::string& udid, afc_client_t afc);

}  // namespace mooring::agent
