// Init: makes a server's state directory. Every step may be repeated, so that an
// interrupted init is finished by running it again; the configuration file is
// written last and says that it is done.

#pragma once

#include <functional>
#include <string>

#include <absl/status/status.h>

#include "mooring/config/v1/config.pb.h"
#include "server/config/state_dir.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"

namespace mooring::server {

inline constexpr absl::Duration kAdminTokenLifetime = absl::Hours(24 * 30);
inline constexpr char kAdminAccount[] = "admin";

struct InitEnvironment {
  FileSystem& files;
  Clock& clock;
  Random& random;
  // One line for a person after each step.
  std::function<void(const std::string&)> tell;
};

// kAlreadyExists: the directory has a server. kFailedPrecondition: it holds
// something else, or a step could not be done; the message says what to do.
absl::Status InitServer(const OpContext& ctx, const InitEnvironment& environment,
                        const StateDir& dir, config::v1::ServerConfig config);

}  // namespace mooring::server
