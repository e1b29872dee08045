// ControlServer: the door through which tests and scripts tell simulated phones
// what to do. One command a line, one line of JSON in answer; tests/phones/README.md
// lists the commands.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "tests/phones/iphone/phone_farm.h"
#include "tests/phones/iphone/unix_listener.h"

namespace mooring::testing {

// Carries commands out. Thread-safe.
class Control {
 public:
  // `defaults` are the options of phones that the command "add" makes.
  Control(PhoneFarm& farm, PhoneOptions defaults) : farm_(farm), defaults_(std::move(defaults)) {}

  // {"ok": true, ...} or {"ok": false, "error": "..."}, without a line end.
  std::string Execute(std::string_view line);

 private:
  using Words = std::vector<std::string>;
  absl::StatusOr<std::string> Run(const Words& words);
  absl::StatusOr<std::string> RunOnPhone(Phone& phone, const Words& words);
  absl::StatusOr<std::string> Add(const Words& words);
  absl::StatusOr<std::string> Dump(Phone& phone, const Words& words);
  std::string Describe(Phone& phone);

  PhoneFarm& farm_;
  const PhoneOptions defaults_;
};

// Its destructor waits for commands that are being carried out.
class ControlServer {
 public:
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const std::string& path,
                                                              Control& control);

 private:
  ControlServer(UnixListener listener, Control& control);
  void Accept(std::stop_token stop);
  void Serve(int socket, std::stop_token stop);

  const UnixListener listener_;
  Control& control_;
  std::jthread acceptor_;  // Last: it uses the rest, and ends first.
};

// Sends one command and returns the answer.
absl::StatusOr<std::string> SendCommand(const std::string& path, std::string_view command);

}  // namespace mooring::testing
