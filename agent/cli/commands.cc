#include "agent/cli/commands.h"

#include <csignal>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "agent/cli/agent_process.h"
#include "agent/cli/doctor.h"
#include "agent/cli/exit_code.h"
#include "agent/device/cause.h"
#include "agent/process/status_message.h"
#include "agent/state/certificate.h"
#include "agent/state/enrollment.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

using session::v1::DeskRequest;
using session::v1::DeskResponse;

constexpr std::uint64_t kPasswordBytesMax = 4096;
// How long a command without a running agent waits for a phone to show up, and
// for the server to say what it is.
constexpr absl::Duration kDevicePatience = absl::Seconds(20);
constexpr absl::Duration kStartPatience = absl::Seconds(15);
constexpr absl::Duration kStartStep = absl::Milliseconds(100);
constexpr absl::Duration kListPatience = absl::Seconds(5);

// Blocks SIGINT and SIGTERM in this thread and those started later, and turns
// them into a stop.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    thread_ = std::jthread([this] { Listen(); });
  }
  ~Signals() {
    if (thread_.joinable()) pthread_kill(thread_.native_handle(), SIGUSR1);
  }

  std::stop_token stop() const { return stop_.get_token(); }
  void Wait() { thread_.join(); }

 private:
  void Listen() {
    int signal = 0;
    sigwait(&set_, &signal);
    stop_.request_stop();
  }

  sigset_t set_{};
  std::stop_source stop_;
  std::jthread thread_;
};

// Prints what comes and remembers how it ended.
class Receiver {
 public:
  explicit Receiver(OutputFormat format) : format_(format), progress_(format) {}

  void Take(const DeskResponse& response);
  int exit_code() const { return exit_code_; }

 private:
  void TakeFinished(const session::v1::Finished& finished);
  void TakeDevices(const session::v1::DeviceList& list);
  void TakeStatus(const session::v1::AgentStatus& status);
  // What of the phone cannot be reached, and why.
  static void PrintOutOfReach(const v1::DeviceFacts& facts);

  const OutputFormat format_;
  ProgressDisplay progress_;
  int exit_code_ = kExitError;
};

void Receiver::Take(const DeskResponse& response) {
  switch (response.response_case()) {
    case DeskResponse::kProgress:
      return progress_.Show(response.progress());
    case DeskResponse::kFinished:
      progress_.Finish();
      return TakeFinished(response.finished());
    case DeskResponse::kDevices:
      return TakeDevices(response.devices());
    case DeskResponse::kStatus:
      return TakeStatus(response.status());
    case DeskResponse::kFailure:
      exit_code_ = PrintError(FromFailure(response.failure()));
      return;
    default:
      return;
  }
}

void Receiver::TakeFinished(const session::v1::Finished& finished) {
  exit_code_ = ExitCodeOf(finished);
  if (format_ != OutputFormat::kTable) return PrintMessage(format_, finished);
  for (const std::string& remark : finished.remarks()) fmt::print("note: {}\n", Printable(remark));
  if (!finished.succeeded()) {
    fmt::print(stderr, "error: {}\n", Printable(finished.message()));
    if (!finished.next_step().empty()) {
      fmt::print(stderr, "what to do: {}\n", Printable(finished.next_step()));
    }
    return;
  }
  fmt::print("{} files, {}; session memory at most {}\n", finished.file_count(),
             BytesText(finished.bytes()), BytesText(finished.peak_memory_bytes()));
  if (!finished.has_receipt()) {
    fmt::print("Restored.\n");
    return;
  }
  const v1::Receipt& receipt = finished.receipt();
  fmt::print("snapshot {} (number {}), {} stored, receipt {}\n",
             ToHex(AsBytes(receipt.snapshot_id())), receipt.sequence(),
             BytesText(receipt.stored_bytes()), ToHex(AsBytes(receipt.root_hash())).substr(0, 16));
  fmt::print("Safe to unplug.\n");
  if (!finished.reminder().empty()) fmt::print("{}.\n", Printable(finished.reminder()));
}

void Receiver::TakeDevices(const session::v1::DeviceList& list) {
  exit_code_ = kExitOk;
  if (format_ != OutputFormat::kTable) return PrintMessage(format_, list);
  std::vector<std::vector<std::string>> rows = {
      {"SERIAL", "MODEL", "OS", "PERSON", "LAST SNAPSHOT", "DUE", "NOW"}};
  for (const session::v1::AttachedDevice& device : list.devices()) {
    rows.push_back({Printable(device.facts().serial()), Printable(device.facts().model()),
                    Printable(device.facts().os_version()),
                    device.assigned() ? Printable(device.person()) : "not assigned",
                    TimeText(device.last_snapshot_at()), device.due() ? "yes" : "no",
                    Printable(device.message())});
  }
  if (rows.size() == 1) {
    fmt::print("no phones attached\n");
  } else {
    PrintTable(rows);
  }
  for (const session::v1::AttachedDevice& device : list.devices()) PrintOutOfReach(device.facts());
}

void Receiver::PrintOutOfReach(const v1::DeviceFacts& facts) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::Capability& capability : facts.capabilities()) {
    if (capability.state() != v1::CAPABILITY_STATE_REFUSED &&
        capability.state() != v1::CAPABILITY_STATE_OUT_OF_REACH) {
      continue;
    }
    const std::string next = capability.next_step().empty() ? "" : "; " + capability.next_step();
    rows.push_back(
        {"  " + Printable(capability.name()), Printable(capability.reason()) + Printable(next)});
  }
  if (rows.empty()) return;
  fmt::print("\n{} gives no access to:\n", Printable(facts.serial()));
  PrintTable(rows);
}

void Receiver::TakeStatus(const session::v1::AgentStatus& status) {
  exit_code_ = kExitOk;
  if (format_ != OutputFormat::kTable) return PrintMessage(format_, status);
  const std::string connection =
      !status.running()    ? "not running (mooring-agent run)"
      : status.connected() ? "connected"
                           : fmt::format("not connected: {}", status.connection_message());
  PrintTable({{"organization", status.organization()},
              {"server", status.server()},
              {"agent", connection},
              {"certificate until", TimeText(status.certificate_expires_at())},
              {"version", status.agent_version()},
              {"phones attached", fmt::to_string(status.devices_attached())},
              {"sessions", fmt::format("{} running, {} waiting", status.sessions_running(),
                                       status.sessions_waiting())}});
}

absl::StatusOr<std::string> ReadPassword(Environment& environment, const std::string& path) {
  if (path.empty()) return std::string();
  MOORING_ASSIGN_OR_RETURN(const SecretBytes secret,
                           ReadSecretFile(environment.files, path, kPasswordBytesMax));
  std::string password = ToString(secret.view());
  while (!password.empty() && (password.back() == '\n' || password.back() == '\r')) {
    password.pop_back();
  }
  return password;
}

// Asks the running agent, or is one for as long as the request takes. `device`
// is waited for; empty: for whatever phones there are.
int Ask(Environment& environment, const CommonOptions& common, const DeskRequest& request,
        const std::string& device) {
  StateDirectory directory(environment.files, common.state_directory);
  Receiver receiver(common.format);
  const auto receive = [&](const DeskResponse& response) { receiver.Take(response); };
  Signals signals;
  absl::StatusOr<std::unique_ptr<AgentProcess>> process = absl::UnavailableError("not started");
  // An agent that is just starting holds the lock before it answers.
  for (absl::Duration waited; !process.ok(); waited += kStartStep) {
    const absl::Status asked = AskDesk(directory.socket_path(), request, receive);
    if (asked.ok()) return receiver.exit_code();
    if (!absl::IsUnavailable(asked)) return PrintError(asked);
    process = AgentProcess::Start(environment, common, false, LogLevel::kWarning);
    if (process.ok()) break;
    const bool starting = absl::IsAlreadyExists(process.status()) && waited < kStartPatience;
    if (!starting || !environment.clock.Sleep(kStartStep, signals.stop())) {
      return PrintError(process.status());
    }
  }
  const absl::Status monitors = (*process)->StartMonitors();
  if (!monitors.ok()) return PrintError(monitors);
  OpContext ctx;
  ctx.stop = signals.stop();
  if (device.empty()) {
    (*process)->daemon().AwaitProbes(ctx, kListPatience);
  } else {
    (*process)->daemon().AwaitDevice(ctx, device, kDevicePatience);
  }
  (*process)->daemon().Serve(ctx, request, [&](const DeskResponse& response) {
    receiver.Take(response);
    return absl::OkStatus();
  });
  return signals.stop().stop_requested() ? kExitError : receiver.exit_code();
}

}  // namespace

int PrintError(const absl::Status& status) {
  fmt::print(stderr, "error: {}\n", Printable(std::string(status.message())));
  const std::string next_step = NextStepOf(status);
  if (!next_step.empty()) fmt::print(stderr, "what to do: {}\n", Printable(next_step));
  return ExitCodeOf(status);
}

int EnrollCommand(Environment& environment, const CommonOptions& common, const std::string& token,
                  const std::vector<std::string>& servers) {
  StateDirectory directory(environment.files, common.state_directory);
  Enrollment enrollment;
  enrollment.token = token;
  enrollment.servers = servers;
  enrollment.hostname = Hostname();
  enrollment.agent_version = environment.version;
  const auto enrolled = Enroll(OpContext(), directory, environment.random, enrollment);
  if (!enrolled.ok()) return PrintError(enrolled.status());
  google::protobuf::Timestamp expires_at;
  expires_at.set_seconds(absl::ToUnixSeconds(enrolled->expires_at));
  fmt::print(
      "Enrolled with {} as agent {}.\nserver {}, certificate until {} (it renews itself)\n"
      "Next: mooring-agent run --state-dir {}\n",
      Printable(enrolled->organization), enrolled->agent_id, enrolled->server, TimeText(expires_at),
      common.state_directory);
  return kExitOk;
}

int RunCommand(Environment& environment, const CommonOptions& common) {
  Signals signals;
  auto process = AgentProcess::Start(environment, common, true, LogLevel::kInfo);
  if (!process.ok()) return PrintError(process.status());
  absl::Status started = (*process)->OpenDesk();
  if (started.ok()) started = (*process)->StartMonitors();
  if (!started.ok()) return PrintError(started);
  signals.Wait();
  return kExitOk;
}

int DevicesCommand(Environment& environment, const CommonOptions& common) {
  DeskRequest request;
  request.mutable_devices();
  return Ask(environment, common, request, "");
}

int StatusCommand(Environment& environment, const CommonOptions& common) {
  StateDirectory directory(environment.files, common.state_directory);
  DeskRequest request;
  request.mutable_status();
  Receiver receiver(common.format);
  const absl::Status asked =
      AskDesk(directory.socket_path(), request,
              [&](const DeskResponse& response) { receiver.Take(response); });
  if (asked.ok()) return receiver.exit_code();
  // Nobody runs: what the files say.
  const auto loaded = directory.Load();
  if (!loaded.ok()) return PrintError(loaded.status());
  DeskResponse response;
  session::v1::AgentStatus& status = *response.mutable_status();
  status.set_agent_version(environment.version);
  status.set_organization(loaded->config.organization());
  status.set_server(loaded->AllServers().front());
  const auto facts = ReadCertificate(loaded->identity.certificate_chain);
  if (facts.ok()) {
    status.mutable_certificate_expires_at()->set_seconds(absl::ToUnixSeconds(facts->not_after));
  }
  receiver.Take(response);
  return receiver.exit_code();
}

int BackupCommand(Environment& environment, const CommonOptions& common,
                  const BackupArguments& arguments) {
  const auto password = ReadPassword(environment, arguments.password_file);
  if (!password.ok()) return PrintError(password.status());
  DeskRequest request;
  request.mutable_backup()->set_device(arguments.device);
  request.mutable_backup()->set_backup_password(*password);
  if (arguments.capture != "full") {
    request.mutable_backup()->add_captures(v1::CAPTURE_KIND_PHOTOS);
  }
  if (arguments.capture != "photos") {
    request.mutable_backup()->add_captures(v1::CAPTURE_KIND_FULL);
  }
  return Ask(environment, common, request, arguments.device);
}

int RestoreCommand(Environment& environment, const CommonOptions& common, const std::string& grant,
                   const std::string& device, const std::string& password_file) {
  const auto password = ReadPassword(environment, password_file);
  if (!password.ok()) return PrintError(password.status());
  DeskRequest request;
  request.mutable_restore()->set_grant_code(grant);
  request.mutable_restore()->set_device(device);
  request.mutable_restore()->set_backup_password(*password);
  return Ask(environment, common, request, device);
}

int DoctorCommand(Environment& environment, const CommonOptions& common) {
  StateDirectory directory(environment.files, common.state_directory);
  session::v1::DoctorReport report;
  bool found = false;
  std::vector<std::vector<std::string>> rows = {{"CHECK", "RESULT", "DETAIL", "WHAT TO DO"}};
  for (const Check& check : RunDoctor(environment.clock, directory, environment.platform_checks)) {
    const std::string result = check.result == CheckResult::kOk        ? "ok"
                               : check.result == CheckResult::kFinding ? "finding"
                                                                       : "info";
    found = found || check.result == CheckResult::kFinding;
    rows.push_back({check.name, result, check.detail, check.next_step});
    session::v1::DoctorReport::Check& one = *report.add_checks();
    one.set_name(check.name);
    one.set_result(result);
    one.set_detail(check.detail);
    one.set_next_step(check.next_step);
  }
  if (common.format == OutputFormat::kTable) {
    PrintTable(rows);
  } else {
    PrintMessage(common.format, report);
  }
  return found ? kExitFindings : kExitOk;
}

}  // namespace mooring::agent
