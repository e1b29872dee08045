// The apps that a phone's owner installed, from the installation proxy.

#pragma once

#include <absl/status/statusor.h>

#include "agent/ios/lockdown.h"
#include "agent/ios/plist.h"

namespace mooring::agent {

struct InstalledApps {
  // Array of bundle ids: "Installed Applications".
  Plist bundle_ids;
  // {bundle id: {ApplicationSINF, iTunesMetadata}} for apps from the store:
  // "Applications". A restore needs it to fetch the apps again.
  Plist applications;
};

absl::StatusOr<InstalledApps> ReadInstalledApps(const OpContext& ctx, Clock& clock,
                                                Lockdown& lockdown);

}  // namespace mooring::agent
