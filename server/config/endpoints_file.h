// The file in which a running server says where it listens:
//   {"agents": "HOST:PORT", "enrollment": "HOST:PORT", "metrics": "HOST:PORT"}

#pragma once

#include <string>

#include <absl/status/status.h>

#include "server/server.h"
#include "storage/base/file.h"

namespace mooring::server {

absl::Status WriteEndpoints(FileSystem& files, const std::string& path, const Endpoints& endpoints);

// Empty where there is no file or it cannot be read: it is a convenience.
Endpoints ReadEndpoints(FileSystem& files, const std::string& path);

}  // namespace mooring::server
