#include "agent/cli/agent_main.h"

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "agent/cli/exit_code.h"
#include "agent/process/session_main.h"
#include "agent/state/agent_state.h"

namespace mooring::agent {
namespace {

struct Arguments {
  CommonOptions common;
  std::string format = "table";
  std::string token;
  std::vector<std::string> servers;
  BackupArguments backup;
  std::string grant;
};

CLI::App* AddCommand(CLI::App& app, Arguments& arguments, const std::string& name,
                     const std::string& description, const std::string& example) {
  CLI::App* const command = app.add_subcommand(name, description);
  command->footer("Example:\n  " + example);
  command->add_option("--state-dir", arguments.common.state_directory, "The agent's files")
      ->capture_default_str();
  command->add_option("-o,--output", arguments.format, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();
  return command;
}

int RunCommandLine(int argc, char** argv, Environment& environment) {
  CLI::App app("Backs up the phones that are plugged into this workstation.", "mooring-agent");
  app.set_version_flag("--version", MOORING_VERSION);
  app.require_subcommand(1);
  Arguments arguments;
  arguments.common.state_directory = kDefaultStateDirectory;

  CLI::App* const enroll = AddCommand(app, arguments, "enroll", "Make this workstation an agent",
                                      "mooring-agent enroll --invite mooring1.Q0FGR...");
  enroll->add_option("--invite", arguments.token, "Invitation, from mooring agent invite create")
      ->required();
  enroll->add_option("--server", arguments.servers,
                     "HOST:PORT of enrollment, instead of the invitation's; may be repeated, and "
                     "the first that is reached is asked");
  CLI::App* const run = AddCommand(app, arguments, "run", "Run the agent",
                                   "mooring-agent run --state-dir /var/lib/mooring-agent");
  CLI::App* const devices = AddCommand(app, arguments, "devices", "List the attached phones",
                                       "mooring-agent devices -o json");
  CLI::App* const status =
      AddCommand(app, arguments, "status", "Show how the agent is", "mooring-agent status");
  CLI::App* const backup = AddCommand(app, arguments, "backup", "Back up a phone now",
                                      "mooring-agent backup --device 00008110-000A1B2C3D4E5F60");
  backup->add_option("--device", arguments.backup.device, "UDID, serial number or Mooring's id")
      ->required();
  backup->add_option("--capture", arguments.backup.capture, "photos, full or all")
      ->check(CLI::IsMember({"photos", "full", "all"}))
      ->capture_default_str();
  backup->add_option("--backup-password-file", arguments.backup.password_file,
                     "File with the password of the phone's own encrypted backups (mode 0600)");
  CLI::App* const restore =
      AddCommand(app, arguments, "restore", "Restore a snapshot to a phone",
                 "mooring-agent restore --grant CODE --to 00008110-000A1B2C3D4E5F60");
  restore->add_option("--grant", arguments.grant, "Code from mooring restore start")->required();
  restore->add_option("--to", arguments.backup.device, "The phone to write to")->required();
  restore->add_option("--backup-password-file", arguments.backup.password_file,
                      "File with the password that the snapshot was encrypted with (mode 0600)");
  CLI::App* const doctor =
      AddCommand(app, arguments, "doctor", "Look for what is wrong here", "mooring-agent doctor");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kExitOk : kExitUsage;
  }

  arguments.common.format = arguments.format == "json"   ? OutputFormat::kJson
                            : arguments.format == "yaml" ? OutputFormat::kYaml
                                                         : OutputFormat::kTable;
  const CommonOptions& common = arguments.common;
  if (*enroll) return EnrollCommand(environment, common, arguments.token, arguments.servers);
  if (*run) return RunCommand(environment, common);
  if (*devices) return DevicesCommand(environment, common);
  if (*status) return StatusCommand(environment, common);
  if (*backup) return BackupCommand(environment, common, arguments.backup);
  if (*restore) {
    return RestoreCommand(environment, common, arguments.grant, arguments.backup.device,
                          arguments.backup.password_file);
  }
  if (*doctor) return DoctorCommand(environment, common);
  return kExitUsage;
}

}  // namespace

int AgentMain(int argc, char** argv, const Platforms& platforms, Clock& clock, Random& random) {
  TuneHeap();
  // Started by the agent itself, with its pipe as a descriptor.
  if (argc == 2 && std::string(argv[1]) == "session") {
    HardenSessionProcess();
    MessagePipe pipe{OwnedFd(kSessionPipeFd)};
    return RunSessionProcess(pipe, platforms.engines, clock, random);
  }
  Environment environment{
      RealFileSystem(), clock,           random,          platforms.start_monitors,
      SessionCommand(), MOORING_VERSION, platforms.checks};
  return RunCommandLine(argc, argv, environment);
}

}  // namespace mooring::agent
