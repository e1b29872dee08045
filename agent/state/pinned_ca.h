// Finds out, before anything secret is said, whether a server is the one that
// an invitation was made for.

#pragma once

#include <string>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"

namespace mooring::agent {

// Shakes hands with HOST:PORT by TLS and returns the PEM of the CA whose public
// key hashes to `pin`, having checked that the server's certificate was issued
// by it. kPermissionDenied: another organization's server, or someone between.
// kUnavailable: not reached.
absl::StatusOr<std::string> FetchPinnedCa(const std::string& address, ByteView pin,
                                          absl::Duration timeout);

}  // namespace mooring::agent
