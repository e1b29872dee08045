// Environment: everything of the outside world that a command touches, so that
// tests run the whole command line in their own process.

#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <stop_token>
#include <string>

#include <absl/status/statusor.h>
#include <grpcpp/channel.h>

#include "mooring/cli/v1/cli.pb.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/random.h"

namespace mooring::admin {

// A channel to the server that `config` names.
using ChannelFactory =
    std::function<absl::StatusOr<std::shared_ptr<grpc::Channel>>(const cli::v1::CliConfig& config)>;

// Owns nothing; outlives the run of one command.
struct Environment {
  std::istream& in;
  std::ostream& out;  // Data.
  std::ostream& err;  // Talk: progress, hints, errors.
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  // Columns of the terminal; 0 where there is none.
  int columns = 0;
  // An environment variable, if set.
  std::function<std::optional<std::string>(const std::string& name)> variable;
  Clock& clock;
  Random& random;
  FileSystem& files;
  // Requested by Ctrl-C.
  std::stop_token stop;
  ChannelFactory channels;
};

}  // namespace mooring::admin
