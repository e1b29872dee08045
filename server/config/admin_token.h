// The token of the first administrator, in a file that only its owner may read.

#pragma once

#include <string>

#include <absl/status/status.h>

#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/catalog/catalog.h"

namespace mooring::server {

// Makes a token of kAdminAccount, and the account where there is none, and writes
// it to `path` (0600). An interrupted attempt leaves a token that nobody knows.
absl::Status WriteAdminToken(const OpContext& ctx, storage::Catalog& catalog, FileSystem& files,
                             Clock& clock, Random& random, const std::string& path);

}  // namespace mooring::server
