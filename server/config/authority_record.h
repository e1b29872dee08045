// The organization's CA in its catalog, so that a server that joins can vouch for
// itself and for agents: the certificate, and the key as the KEK wraps it
// (KeyPurpose::kCaKey), the same bytes as in the state directory of the first server.

#pragma once

#include <absl/status/status.h>

#include "server/config/state_dir.h"
#include "storage/base/file.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"
#include "storage/seal/key_ring.h"

namespace mooring::server {

// Puts the CA of `dir` into the catalog where there is none yet.
// kFailedPrecondition: the catalog has another one.
absl::Status PublishAuthority(const OpContext& ctx, storage::Catalog& catalog, FileSystem& files,
                              const StateDir& dir);

// Writes the CA of the catalog into `dir`; what is there already must be the same.
// kPermissionDenied: it is under another KEK. kFailedPrecondition: the catalog has
// none yet, or `dir` holds another one.
absl::Status InstallAuthority(const OpContext& ctx, storage::Catalog& catalog,
                              storage::KekProvider& kek, FileSystem& files, const StateDir& dir);

}  // namespace mooring::server
