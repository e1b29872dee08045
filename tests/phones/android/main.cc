// simulated-android: simulated Android phones that an adb server reaches by TCP; and, with
// --ctl, the client of a running one.

#include <signal.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/android/android_farm.h"
#include "tests/phones/android/control.h"
#include "tests/phones/common/control_server.h"

namespace mooring::testing::android {
namespace {

struct Settings {
  std::string control_path;
  std::string command_path;
  std::vector<std::string> command;
  AndroidFarm::Options farm;
  AndroidPhoneOptions phone;
  std::size_t phones = 1;
  std::size_t empty_phones = 0;
  std::uint64_t seed = 1;
  std::string auth = "auto";
  bool has_sd_card = false;
  std::vector<std::string> faults;
};

void AddOptions(CLI::App& app, Settings& settings) {
  AndroidPhoneOptions& phone = settings.phone;
  ContentOptions& content = phone.content;
  app.add_option("--control", settings.control_path, "UNIX socket to take commands on");
  app.add_option("--ctl", settings.command_path, "Send COMMAND to the simulator there");
  app.add_option("command", settings.command, "A command for --ctl, e.g. mutate 0 adds=3");
  app.add_option("--temp-dir", settings.farm.temp_dir, "Unlinked files for restored contents");
  app.add_option("--marker", settings.farm.marker, "Plant this text in contents and names");
  app.add_option("--adb-server-port", settings.farm.adb_server_port,
                 "Connect the adb server on this port to the phones, as a cable would");
  app.add_option("--phones", settings.phones, "How many phones with content");
  app.add_option("--empty-phones", settings.empty_phones, "How many empty phones besides");
  app.add_option("--seed", settings.seed, "Seed of the first phone; the others count up");
  app.add_option("--port", phone.port, "TCP port of the first phone; the others count up");
  app.add_option("--android", phone.android, "Android version")->check(CLI::Range(9, 16));
  app.add_option("--name", phone.name, "Model name of the phones");
  app.add_option("--files", content.files, "Files of each phone");
  app.add_option("--bytes", content.bytes, "Bytes of each phone, e.g. 20G")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--big-file", content.big_file, "One more file of this size, e.g. 6G")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--messages", content.messages, "SMS of each phone");
  app.add_option("--contacts", content.contacts, "Contacts of each phone");
  app.add_option("--calls", content.calls, "Calls in the log of each phone");
  app.add_option("--apps", content.apps, "Apps of each phone");
  app.add_flag("--work-profile", content.work_profile, "Phones with a work profile, user 10");
  app.add_flag("--hostile-rows", content.hostile_rows, "Messages that forge rows");
  app.add_flag("--sd-card", settings.has_sd_card, "Phones with an SD card, /storage/1A2B-3C4D");
  app.add_option("--capacity", phone.capacity_bytes, "Capacity of each phone, e.g. 64G")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--battery", phone.battery_percent, "Battery level in percent");
  app.add_option("--auth", settings.auth, "The dialog \"Allow USB debugging?\"")
      ->check(CLI::IsMember({"auto", "ask", "refuse"}));
  app.add_option("--rate", phone.bytes_per_second, "Bytes a second to the host; 0: no limit")
      ->transform(CLI::AsSizeValue(false));
  app.add_flag("--old-checksums", phone.old_checksums, "Transport version 0x01000000");
  app.add_flag("--locked", phone.is_locked, "Phones start locked");
  app.add_flag("--locked-since-boot", phone.is_locked_since_boot,
               "Phones were not unlocked since they were booted");
  app.add_option("--fault", settings.faults, "A fault of every phone, e.g. 'unplug after=1000'");
}

AndroidPhoneOptions OptionsOf(const Settings& settings) {
  AndroidPhoneOptions options = settings.phone;
  options.auth = settings.auth == "auto"  ? AuthMode::kAuto
                 : settings.auth == "ask" ? AuthMode::kAsk
                                          : AuthMode::kRefuse;
  if (settings.has_sd_card) options.content.sd_card = "1A2B-3C4D";
  return options;
}

absl::Status AddPhones(AndroidFarm& farm, const Settings& settings) {
  for (std::size_t i = 0; i < settings.phones + settings.empty_phones; ++i) {
    AndroidPhoneOptions options = OptionsOf(settings);
    options.content.empty = i >= settings.phones;
    if (options.port != 0) options.port = static_cast<std::uint16_t>(options.port + i);
    const std::string serial = farm.AddPhone(settings.seed + i, options);
    for (const std::string& text : settings.faults) {
      MOORING_ASSIGN_OR_RETURN(Fault fault, ParseFault(text));
      farm.Find(serial)->AddFault(std::move(fault));
    }
    fmt::print("{} {} {}\n", serial, farm.Address(serial), farm.Find(serial)->identity().model);
  }
  return absl::OkStatus();
}

absl::Status Simulate(const Settings& settings) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // Before any thread, so that all inherit it.
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<AndroidFarm> farm,
                           AndroidFarm::Start(settings.farm));
  MOORING_RETURN_IF_ERROR(AddPhones(*farm, settings));
  Control control(*farm, OptionsOf(settings));
  std::unique_ptr<ControlServer> server;
  if (!settings.control_path.empty()) {
    MOORING_ASSIGN_OR_RETURN(
        server, ControlServer::Start(settings.control_path,
                                     [&](std::string_view line) { return control.Execute(line); }));
  }
  fmt::print("ready\n");
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
  CLI::App app("simulated Android phones for a genuine adb server");
  Settings settings;
  AddOptions(app, settings);
  CLI11_PARSE(app, argc, argv);
  const absl::Status status =
      settings.command_path.empty() ? Simulate(settings) : Command(settings);
  if (status.ok()) return 0;
  std::cerr << "simulated-android: " << status.message() << "\n";
  return 1;
}

}  // namespace
}  // namespace mooring::testing::android

int main(int argc, char** argv) {
  return mooring::testing::android::Main(argc, argv);
}
