// Rebuild: a server's state directory and its whole catalog, from the object
// store and the recovery kit. Run while no server runs; may be repeated until it
// is done, which the configuration file, written last, says.

#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "mooring/config/v1/config.pb.h"
#include "server/config/init.h"
#include "server/config/state_dir.h"
#include "storage/base/op_context.h"
#include "storage/care/rebuild.h"

namespace mooring::server {

// `config.repository` names the store, `kit` the folder of the recovery kit.
// Without `config.database_url` a private PostgreSQL is made in the state
// directory. Leaves an admin token there: what was in the old directory is lost.
absl::StatusOr<storage::RebuildSummary> RebuildServer(const OpContext& ctx,
                                                      const InitEnvironment& environment,
                                                      const StateDir& dir, const std::string& kit,
                                                      config::v1::ServerConfig config);

}  // namespace mooring::server
