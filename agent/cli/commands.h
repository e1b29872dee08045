// The commands of mooring-agent, behind their options.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/cli/doctor.h"
#include "agent/cli/output.h"
#include "agent/device/device.h"
#include "agent/process/child_process.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/random.h"

namespace mooring::agent {

// Starts the monitors of all platforms; what main chooses.
using StartMonitors = std::function<absl::StatusOr<std::vector<std::unique_ptr<DeviceMonitor>>>(
    DeviceMonitor::Listener& listener)>;

// Looks for what keeps a platform's phones from being reached here.
using PlatformChecks = std::function<std::vector<Check>()>;

// What commands work with. Everything outlives them.
struct Environment {
  FileSystem& files;
  Clock& clock;
  Random& random;
  StartMonitors start_monitors;
  SessionCommand session;
  std::string version;
  PlatformChecks platform_checks;  // May be empty.
};

struct CommonOptions {
  std::string state_directory;
  OutputFormat format = OutputFormat::kTable;
};

struct BackupArguments {
  std::string device;
  std::string capture = "full";
  std::string password_file;
};

// Each returns the exit code.
int EnrollCommand(Environment& environment, const CommonOptions& common, const std::string& token,
                  const std::vector<std::string>& servers);
int RunCommand(Environment& environment, const CommonOptions& common);
int DevicesCommand(Environment& environment, const CommonOptions& common);
int StatusCommand(Environment& environment, const CommonOptions& common);
int BackupCommand(Environment& environment, const CommonOptions& common,
                  const BackupArguments& arguments);
int RestoreCommand(Environment& environment, const CommonOptions& common, const std::string& grant,
                   const std::string& device, const std::string& password_file);
int DoctorCommand(Environment& environment, const CommonOptions& common);

// An error as commands print it: what is wrong, and what to do.
int PrintError(const absl::Status& status);

}  // namespace mooring::agent
