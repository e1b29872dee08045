// simulated-iphone: usbmuxd with simulated iPhones behind it; and, with --ctl, the
// client of a running one.

#include <signal.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/common/control_server.h"
#include "tests/phones/iphone/control.h"
#include "tests/phones/iphone/phone_farm.h"

namespace mooring::testing {
namespace {

struct Settings {
  std::string control_path;
  std::string command_path;
  std::vector<std::string> command;
  PhoneFarm::Options farm;
  PhoneOptions phone;
  std::size_t phones = 1;
  std::uint64_t seed = 1;
  std::size_t empty_phones = 0;
  std::string trust = "auto";
  std::string passcode = "none";
  std::uint64_t passcode_ms = 200;
  std::uint64_t passcode_timeout_ms = 180'000;
  std::uint64_t answer_timeout_ms = 600'000;
  std::string password;
  std::vector<std::string> faults;
};

void AddOptions(CLI::App& app, Settings& settings) {
  PhoneOptions& phone = settings.phone;
  app.add_option("--socket", settings.farm.socket_path, "UNIX socket to serve as usbmuxd on");
  app.add_option("--control", settings.control_path, "UNIX socket to take commands on");
  app.add_option("--ctl", settings.command_path, "Send COMMAND to the simulator there");
  app.add_option("command", settings.command, "A command for --ctl, e.g. mutate 0 adds=3");
  app.add_option("--state-dir", settings.farm.state_dir, "Keep pair records and phone keys here");
  app.add_option("--temp-dir", settings.farm.temp_dir, "Unlinked files for restored contents");
  app.add_option("--marker", settings.farm.marker, "Plant this text in contents and file names");
  app.add_option("--phones", settings.phones, "How many phones with content");
  app.add_option("--empty-phones", settings.empty_phones, "How many empty phones besides");
  app.add_option("--seed", settings.seed, "Seed of the first phone; the others count up");
  app.add_option("--files", phone.content.files, "Regular files of each phone");
  app.add_option("--bytes", phone.content.bytes, "Bytes of each phone, e.g. 20G")
      ->transform(CLI::AsSizeValue(false));
  app.add_flag("--sensitive", phone.content.sensitive, "Health and keychain files, too");
  app.add_option("--capacity", phone.capacity_bytes, "Capacity of each phone, e.g. 64G")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--trust", settings.trust, "The Trust dialog: auto, ask or refuse")
      ->check(CLI::IsMember({"auto", "ask", "refuse"}));
  app.add_option("--passcode", settings.passcode, "The passcode sheet: none, auto or wait")
      ->check(CLI::IsMember({"none", "auto", "wait"}));
  app.add_option("--passcode-ms", settings.passcode_ms, "How long auto takes to enter it");
  app.add_option("--passcode-timeout-ms", settings.passcode_timeout_ms, "Then error 208");
  app.add_option("--answer-timeout-ms", settings.answer_timeout_ms,
                 "How long a phone waits for an answer of the host");
  app.add_option("--password", settings.password, "Backup password of each phone");
  app.add_option("--batch-files", phone.batch_files, "Files of one upload message");
  app.add_option("--batch-bytes", phone.batch_bytes, "Bytes of one upload message")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--rate", phone.bytes_per_second, "Bytes a second of each phone; 0: no limit")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--dpic", phone.keybag_cost.first_iterations, "Keybag iterations, first stage");
  app.add_option("--iter", phone.keybag_cost.second_iterations, "Keybag iterations, second stage");
  app.add_flag("--end-with-0b", phone.ends_files_with_0b, "End good files with an empty 0x0B");
  app.add_flag("--preflight", settings.farm.preflight, "usbmuxd pairs at every attachment");
  app.add_flag("--locked", phone.is_locked, "Phones start locked");
  app.add_flag("--busy", phone.is_busy, "mobilebackup2 refuses to start");
  app.add_option("--fault", settings.faults, "A fault of every phone, e.g. 'unplug at=upload'");
}

PhoneOptions OptionsOf(const Settings& settings) {
  PhoneOptions options = settings.phone;
  options.trust = settings.trust == "auto"  ? TrustMode::kAuto
                  : settings.trust == "ask" ? TrustMode::kAsk
                                            : TrustMode::kRefuse;
  options.passcode = settings.passcode == "none"   ? PasscodeMode::kNone
                     : settings.passcode == "auto" ? PasscodeMode::kAuto
                                                   : PasscodeMode::kWait;
  options.passcode_after = absl::Milliseconds(settings.passcode_ms);
  options.passcode_timeout = absl::Milliseconds(settings.passcode_timeout_ms);
  options.answer_timeout = absl::Milliseconds(settings.answer_timeout_ms);
  return options;
}

absl::Status AddPhones(PhoneFarm& farm, const Settings& settings) {
  for (std::size_t i = 0; i < settings.phones + settings.empty_phones; ++i) {
    PhoneOptions options = OptionsOf(settings);
    options.content.seed = settings.seed + i;
    options.content.empty = i >= settings.phones;
    const std::string udid = farm.AddPhone(settings.seed + i, options);
    const std::shared_ptr<Phone> phone = farm.Find(udid);
    if (!settings.password.empty()) phone->ForcePassword(settings.password);
    for (const std::string& text : settings.faults) {
      MOORING_ASSIGN_OR_RETURN(Fault fault, ParseFault(text));
      if (fault.random_below > 0) fault.after_bytes = phone->random().Below(fault.random_below);
      phone->faults().Add(std::move(fault));
    }
    fmt::print("{} {}\n", udid, phone->identity().name);
  }
  return absl::OkStatus();
}

absl::Status Simulate(const Settings& settings) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // Before any thread, so that all inherit it.
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<PhoneFarm> farm, PhoneFarm::Start(settings.farm));
  MOORING_RETURN_IF_ERROR(AddPhones(*farm, settings));
  Control control(*farm, OptionsOf(settings));
  std::unique_ptr<ControlServer> server;
  if (!settings.control_path.empty()) {
    MOORING_ASSIGN_OR_RETURN(
        server, ControlServer::Start(settings.control_path,
                                     [&](std::string_view line) { return control.Execute(line); }));
  }
  fmt::print("ready {}\n", farm->socket_address());
  std::fflush(stdout);
  int signal_number = 0;
  sigwait(&ends, &signal_number);
  return absl::OkStatus();
}

absl::Status Command(const Settings& settings) {
  std::string line;
  for (const std::string& word : settings.command) line += (line.empty() ? "" : " ") + word;
  MOORING_ASSIGN_OR_RETURN(const std::string answer, SendCommand(settings.command_path, line));
  fmt::print("{}\n", answer);
  if (answer.starts_with("{\"ok\":true")) return absl::OkStatus();
  return absl::InvalidArgumentError("the simulator refused the command");
}

int Main(int argc, char** argv) {
  CLI::App app("usbmuxd with simulated iPhones behind it");
  Settings settings;
  AddOptions(app, settings);
  CLI11_PARSE(app, argc, argv);
  absl::Status status;
  if (!settings.command_path.empty()) {
    status = Command(settings);
  } else if (settings.farm.socket_path.empty()) {
    status = absl::InvalidArgumentError("--socket PATH or --ctl PATH is needed");
  } else {
    status = Simulate(settings);
  }
  if (status.ok()) return 0;
  std::cerr << "simulated-iphone: " << status.message() << "\n";
  return 1;
}

}  // namespace
}  // namespace mooring::testing

int main(int argc, char** argv) {
  return mooring::testing::Main(argc, argv);
}
