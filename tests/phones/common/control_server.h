// ControlServer: the door through which tests and scripts tell simulated phones what to
// do. One command a line, one line of JSON in answer.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include <absl/status/statusor.h>

#include "tests/phones/common/unix_listener.h"

namespace mooring::testing {

// Carries out one command and answers a line of JSON without its end. Thread-safe.
using CommandFunction = std::function<std::string(std::string_view line)>;

// Its destructor waits for commands that are being carried out.
class ControlServer {
 public:
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const std::string& path,
                                                              CommandFunction execute);

 private:
  ControlServer(UnixListener listener, CommandFunction execute);
  void Accept(std::stop_token stop);
  void Serve(int socket, std::stop_token stop);

  const UnixListener listener_;
  const CommandFunction execute_;
  std::jthread acceptor_;  // Last: it uses the rest, and ends first.
};

// Sends one command and returns the answer.
absl::StatusOr<std::string> SendCommand(const std::string& path, std::string_view command);

}  // namespace mooring::testing
