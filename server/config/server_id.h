// The id of this server among those of its organization: made when it first
// starts, kept in its state directory, in hexadecimal.

#pragma once

#include <absl/status/statusor.h>

#include "server/config/state_dir.h"
#include "storage/base/file.h"
#include "storage/base/ids.h"
#include "storage/base/random.h"

namespace mooring::server {

// kDataLoss: the file holds something else.
absl::StatusOr<ServerId> EnsureServerId(FileSystem& files, const StateDir& dir, Random& random);

}  // namespace mooring::server
