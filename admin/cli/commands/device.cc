// mooring device list|get|assign|admit|backup|resume-pruning

#include <memory>
#include <string>

#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/resolve.h"
#include "admin/cli/text.h"
#include "mooring/v1/fleet.grpc.pb.h"
#include "mooring/v1/retention.grpc.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

struct DeviceOptions {
  std::string device;
  std::string person;
  std::string agent;
  bool withdraw = false;
  std::string capture = "full";
  std::string reason;
};

Cell StateOf(const v1::Device& device) {
  switch (device.state()) {
    case v1::DEVICE_STATE_COMPLIANT:
      return {EnumText(device.state()), Tone::kGood};
    case v1::DEVICE_STATE_OVERDUE:
    case v1::DEVICE_STATE_NEVER_BACKED_UP:
      return {EnumText(device.state()), Tone::kBad};
    default:
      return {EnumText(device.state()), Tone::kWarning};
  }
}

std::string OrDash(const std::string& text) {
  return text.empty() ? "-" : text;
}

Cell StateOf(const v1::Capability& capability) {
  return {EnumText(capability.state()),
          capability.state() == v1::CAPABILITY_STATE_AVAILABLE ? Tone::kGood : Tone::kWarning};
}

// What of the phone can be reached, and what not, why, and what to do.
void PrintCapabilities(Invocation& run, const v1::DeviceFacts& facts) {
  if (facts.capabilities().empty()) return;
  Table table({{"OF THE PHONE"}, {"STATE"}, {"WHY", false, true}, {"WHAT TO DO", false, true}});
  for (const v1::Capability& capability : facts.capabilities()) {
    table.AddRow({capability.name(), StateOf(capability), OrDash(capability.reason()),
                  OrDash(capability.next_step())});
  }
  run.output().PrintLine("");
  run.output().Print(table);
}

void AddFacts(Table& table, const v1::DeviceFacts& facts) {
  if (facts.sdk() != 0) table.AddRow({"sdk", fmt::format("{}", facts.sdk())});
  if (facts.capacity_bytes() != 0) {
    table.AddRow({"storage", fmt::format("{} of {} in use", BytesText(facts.used_bytes()),
                                         BytesText(facts.capacity_bytes()))});
  }
  if (facts.sdk() != 0 && facts.battery_percent() >= 0) {
    table.AddRow({"battery", fmt::format("{} %", facts.battery_percent())});
  }
}

void PrintDevice(Invocation& run, const v1::Device& device) {
  if (run.output().is_structured()) {
    run.output().Print(device);
    return;
  }
  Table table = FieldTable();
  table.AddRow({"id", ToHex(AsBytes(device.id()))});
  table.AddRow({"serial", device.serial()});
  table.AddRow({"name", device.name()});
  table.AddRow({"model", fmt::format("{}, {} {}", device.model(), EnumText(device.platform()),
                                     device.os_version())});
  table.AddRow({"person", OrDash(device.person_handle())});
  table.AddRow({"group", OrDash(device.group())});
  table.AddRow({"state", StateOf(device)});
  table.AddRow({"phone encrypts", device.phone_encrypts() ? "yes" : "no"});
  AddFacts(table, device.facts());
  table.AddRow({"last snapshot", device.snapshot_count() == 0
                                     ? "-"
                                     : fmt::format("{} ({})", TimeText(device.last_snapshot_at()),
                                                   AgeText(device.last_snapshot_at(), run.now()))});
  table.AddRow({"snapshots", fmt::format("{}", device.snapshot_count())});
  if (device.damaged_snapshots() > 0) {
    table.AddRow({"  damaged", Cell(fmt::format("{}: `mooring snapshot list --device {}`",
                                                device.damaged_snapshots(), device.serial()),
                                    Tone::kBad)});
  }
  if (device.last_cause() != v1::CAUSE_UNSPECIFIED) {
    table.AddRow(
        {"last miss", fmt::format("{}: {}", EnumText(device.last_cause()), device.last_message())});
  }
  if (device.has_pruning_pause()) {
    table.AddRow(
        {"pruning",
         {fmt::format("PAUSED since {}: {}; {} of 3 normal ones since",
                      TimeText(device.pruning_pause().since()), device.pruning_pause().detail(),
                      device.pruning_pause().normal_since()),
          Tone::kWarning}});
  }
  for (const v1::Hold& hold : device.holds()) {
    table.AddRow({"on hold", fmt::format("by {}: {}", hold.placed_by(), hold.reason())});
  }
  table.AddRow({"first seen", TimeText(device.first_seen_at())});
  table.AddRow({"last seen", AgeText(device.last_seen_at(), run.now())});
  table.AddRow({"plugged in at", device.attached_agent_id().empty()
                                     ? "-"
                                     : "agent " + ShortId(device.attached_agent_id())});
  for (const std::string& agent : device.admitted_agent_ids()) {
    table.AddRow({"admitted", "agent " + ShortId(agent)});
  }
  run.output().Print(table);
  PrintCapabilities(run, device.facts());
}

absl::StatusOr<ExitCode> List(Invocation& run, const DeviceOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ListDevicesRequest request;
  request.set_person_handle(options.person);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::ListDevices, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  Table table({{"ID"},
               {"SERIAL"},
               {"NAME", false, true},
               {"PERSON", false, true},
               {"STATE"},
               {"LAST SNAPSHOT"},
               {"COUNT", true},
               {"PLUGGED IN"},
               {"OS"}});
  for (const v1::Device& device : response.devices()) {
    table.AddRow({ShortId(device.id()), device.serial(), device.name(),
                  OrDash(device.person_handle()), StateOf(device),
                  AgeText(device.last_snapshot_at(), run.now()),
                  fmt::format("{}", device.snapshot_count()), ShortId(device.attached_agent_id()),
                  fmt::format("{} {}", EnumText(device.platform()), device.os_version())});
  }
  run.output().Print(table);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Get(Invocation& run, const DeviceOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::GetDeviceRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_device(), ResolveDevice(*connection, options.device));
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::GetDevice, request));
  PrintDevice(run, response.device());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Assign(Invocation& run, const DeviceOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::AssignDeviceRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_device(), ResolveDevice(*connection, options.device));
  request.set_person_handle(options.person);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::AssignDevice, request));
  PrintDevice(run, response.device());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Admit(Invocation& run, const DeviceOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::AdmitDeviceRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_device(), ResolveDevice(*connection, options.device));
  MOORING_ASSIGN_OR_RETURN(*request.mutable_agent_id(), ResolveAgent(*connection, options.agent));
  request.set_withdraw(options.withdraw);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::AdmitDevice, request));
  PrintDevice(run, response.device());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Backup(Invocation& run, const DeviceOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::StartDeviceBackupRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_device(), ResolveDevice(*connection, options.device));
  if (options.capture != "photos") request.add_captures(v1::CAPTURE_KIND_FULL);
  if (options.capture != "full") request.add_captures(v1::CAPTURE_KIND_PHOTOS);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::StartDeviceBackup, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  run.output().PrintLine(
      fmt::format("Ordered at agent {}. Its owner may be asked for the passcode now.",
                  ShortId(response.agent_id())));
  run.output().Note("Follow it with: mooring session watch --until-idle");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ResumePruning(Invocation& run, const DeviceOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ResumePruningRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_device(), ResolveDevice(*connection, options.device));
  request.set_reason(options.reason);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::RetentionService::Stub::ResumePruning, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  if (response.ended().empty()) run.output().PrintLine("Pruning was not paused.");
  for (const v1::PruningPause& pause : response.ended()) {
    run.output().PrintLine(
        fmt::format("No longer paused: {}. That is the new normal.", pause.detail()));
  }
  return ExitCode::kOk;
}

void AddDeviceOption(CLI::App& verb, DeviceOptions& options) {
  verb.add_option("DEVICE", options.device, "UDID, serial number or id")->required();
}

}  // namespace

void AddDeviceCommands(CommandTree& tree) {
  CLI::App& device = tree.AddNoun("device", "Phones");
  auto list = std::make_shared<DeviceOptions>();
  tree.AddVerb(device, {"list", "All phones, or one person's", "mooring device list --person iris"},
               [list](Invocation& run) { return List(run, *list); })
      .add_option("--person", list->person, "handle of a person");

  auto get = std::make_shared<DeviceOptions>();
  AddDeviceOption(
      tree.AddVerb(device,
                   {"get", "One phone, why its last backup failed, and what of it can be reached",
                    "mooring device get 00008120-001A34E61EE8201E"},
                   [get](Invocation& run) { return Get(run, *get); }),
      *get);

  auto assign = std::make_shared<DeviceOptions>();
  CLI::App& assign_verb =
      tree.AddVerb(device,
                   {"assign", "Bind a phone to a person; nothing is read from it before",
                    "mooring device assign 00008120-001A34E61EE8201E --person iris"},
                   [assign](Invocation& run) { return Assign(run, *assign); });
  AddDeviceOption(assign_verb, *assign);
  assign_verb.add_option("--person", assign->person, "handle of the person")->required();

  auto admit = std::make_shared<DeviceOptions>();
  CLI::App& admit_verb =
      tree.AddVerb(device,
                   {"admit", "Let an agent make incremental backups of it",
                    "mooring device admit 00008120-001A34E61EE8201E --agent front-desk"},
                   [admit](Invocation& run) { return Admit(run, *admit); });
  AddDeviceOption(admit_verb, *admit);
  admit_verb.add_option("--agent", admit->agent, "id or host name of the agent")->required();
  admit_verb.add_flag("--withdraw", admit->withdraw, "take the admission back");

  auto backup = std::make_shared<DeviceOptions>();
  CLI::App& backup_verb =
      tree.AddVerb(device,
                   {"backup", "Order a backup where the phone is plugged in",
                    "mooring device backup 00008120-001A34E61EE8201E --capture full"},
                   [backup](Invocation& run) { return Backup(run, *backup); });
  AddDeviceOption(backup_verb, *backup);
  backup_verb.add_option("--capture", backup->capture, "full, photos or all")
      ->check(CLI::IsMember({"full", "photos", "all"}))
      ->capture_default_str();

  auto resume = std::make_shared<DeviceOptions>();
  CLI::App& resume_verb = tree.AddVerb(
      device,
      {"resume-pruning", "Accept that its snapshots shrank, and prune it again",
       "mooring device resume-pruning 00008120-001A34E61EE8201E --reason 'old films deleted'"},
      [resume](Invocation& run) { return ResumePruning(run, *resume); });
  AddDeviceOption(resume_verb, *resume);
  resume_verb.add_option("--reason", resume->reason, "for the audit record")->required();
}

}  // namespace mooring::admin
