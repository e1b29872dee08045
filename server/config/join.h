// Join: makes the state directory of another server of an organization that has
// one, from the database, the repository and the key-encryption key that they all
// share. Repeatable, as init is; the configuration comes last.

#pragma once

#include <string>

#include <absl/status/status.h>

#include "mooring/config/v1/config.pb.h"
#include "server/config/init.h"
#include "server/config/state_dir.h"
#include "storage/base/op_context.h"

namespace mooring::server {

// `config` names database and repository; organization and single_admin come from
// the database. `kek_file` is copied into `dir`.
// kAlreadyExists: the directory has a server. kPermissionDenied: another KEK.
// kFailedPrecondition: database and repository are not of one organization, cannot
// be reached from here, or are of another version; the message says what to do.
absl::Status JoinServer(const OpContext& ctx, const InitEnvironment& environment,
                        const StateDir& dir, const std::string& kek_file,
                        config::v1::ServerConfig config);

}  // namespace mooring::server
