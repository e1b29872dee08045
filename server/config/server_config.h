// The server's configuration file: read, checked, and with its defaults.

#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "mooring/config/v1/config.pb.h"
#include "server/config/state_dir.h"
#include "storage/base/file.h"
#include "storage/collection/collection_options.h"

namespace mooring::server {

inline constexpr char kDefaultAgentsListen[] = "0.0.0.0:7443";
inline constexpr char kDefaultEnrollmentListen[] = "0.0.0.0:7444";
inline constexpr char kDefaultMetricsListen[] = "127.0.0.1:9464";

// kInvalidArgument names the key. Fills in the defaults.
absl::Status CheckServerConfig(config::v1::ServerConfig& config, const StateDir& dir);

// kNotFound: no such file.
absl::StatusOr<config::v1::ServerConfig> LoadServerConfig(FileSystem& files,
                                                          const std::string& path,
                                                          const StateDir& dir);

// Writes STATE_DIR/mooringd.yaml durably: the last act of whatever makes a server.
// Defaults are left out, so that a later version's apply.
absl::Status WriteServerConfig(FileSystem& files, const StateDir& dir,
                               const config::v1::ServerConfig& config);

struct HostPort {
  std::string host;  // Without brackets.
  int port = 0;
};
// "HOST:PORT" or "[ADDRESS]:PORT".
absl::StatusOr<HostPort> ParseHostPort(const std::string& text);
std::string JoinHostPort(const std::string& host, int port);

// What is not set has its default.
storage::CollectionOptions CollectionOptionsOf(const config::v1::Collection& collection);

}  // namespace mooring::server
