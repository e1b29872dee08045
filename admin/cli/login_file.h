// Where the server is and who we are: the login file, and the environment
// variables that override it.

#pragma once

#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "admin/cli/environment.h"
#include "mooring/cli/v1/cli.pb.h"

namespace mooring::admin {

// $MOORING_CONFIG, $XDG_CONFIG_HOME/mooring/config.yaml or ~/.config/mooring/config.yaml.
absl::StatusOr<std::string> LoginFilePath(const Environment& env);

// The login file with MOORING_SERVER, MOORING_TOKEN and MOORING_CA (a file) on
// top. kUnauthenticated: something is missing; log in first. kPermissionDenied:
// others can read the file.
absl::StatusOr<cli::v1::CliConfig> LoadLogin(Environment& env);

// Replaces the login file, readable by its owner alone.
absl::Status StoreLogin(Environment& env, const std::string& path,
                        const cli::v1::CliConfig& config);

// HOST:PORT, with the default port where there is none. kInvalidArgument for anything else.
absl::StatusOr<std::string> ParseServer(const std::string& text);

// A whole file that a person named; the error says which and why.
absl::StatusOr<std::string> ReadNamedFile(Environment& env, const std::string& path);

}  // namespace mooring::admin
