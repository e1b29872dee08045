// The daemon's ears: orders of the server, and requests from the desk.

#include <utility>

#include <fmt/format.h>

#include "agent/daemon/daemon.h"
#include "agent/daemon/owner_words.h"
#include "agent/device/cause.h"
#include "agent/process/status_message.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

using session::v1::DeskRequest;
using session::v1::DeskResponse;
using session::v1::Start;

// A phone that was plugged in a moment ago is still being looked at.
constexpr absl::Duration kDevicePatience = absl::Seconds(5);

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(absl::ToUnixSeconds(time));
  return timestamp;
}

}  // namespace

void Daemon::OnOrder(const v1::ControlResponse& order) {
  if (order.has_servers() && options_.learn_servers) options_.learn_servers(order.servers());
  MutexLock lock(mutex_);
  if (closing_) return;
  switch (order.order_case()) {
    case v1::ControlResponse::kStanding:
      OnStanding(order.standing());
      break;
    case v1::ControlResponse::kStartBackup:
      OnStartBackup(order.start_backup());
      break;
    case v1::ControlResponse::kStartRestore:
      OnStartRestore(order.start_restore());
      break;
    case v1::ControlResponse::kCancelSession:
      OnCancel(order.cancel_session());
      break;
    default:
      break;  // A later server's order that this agent does not know.
  }
  changed_.NotifyAll();
}

void Daemon::OnStanding(const v1::DeviceStanding& standing) {
  const auto it = devices_.find(standing.serial());
  if (it == devices_.end()) return;
  Device& device = it->second;
  const bool was_told = device.has_standing;
  const bool was_assigned = device.standing.assigned();
  device.has_standing = true;
  device.standing = standing;
  if (!standing.assigned() && !was_told) {
    log_.Info("phone not assigned", {{"serial", standing.serial()}});
  }
  if (!standing.assigned() || !was_told || !was_assigned) {
    device.message = DeskMessage(standing, device.waiting_for, device.probe_message);
  }
  Decide(standing.serial());
}

void Daemon::Refuse(const std::string& serial, const std::string& restore_id) {
  v1::ControlRequest event;
  event.mutable_session_ended()->set_serial(serial);
  event.mutable_session_ended()->set_cause(v1::CAUSE_NEVER_CONNECTED);
  event.mutable_session_ended()->set_message("the phone is not attached to this workstation");
  event.mutable_session_ended()->set_restore_id(restore_id);
  control_->Send(std::move(event));
}

void Daemon::OnStartBackup(const v1::StartBackup& order) {
  if (devices_.count(order.serial()) == 0) return Refuse(order.serial(), "");
  if (FindJob(order.serial(), Start::TASK_BACKUP) != nullptr) return;
  Job& job = AddJob(order.serial(), Start::TASK_BACKUP);
  *job.start.mutable_captures() = order.captures();
  StartWaiting();
}

void Daemon::OnStartRestore(const v1::StartRestore& order) {
  if (devices_.count(order.serial()) == 0) return Refuse(order.serial(), order.restore_id());
  if (FindJob(order.serial(), Start::TASK_RESTORE) != nullptr) return;
  Job& job = AddJob(order.serial(), Start::TASK_RESTORE);
  job.start.set_grant_code(order.grant_code());
  job.restore_id = order.restore_id();
  StartWaiting();
}

void Daemon::OnCancel(const std::string& session_id) {
  for (const auto& job : running_) {
    if (!session_id.empty() && job->progress.session_id() == session_id) job->stop.request_stop();
  }
}

std::string Daemon::Resolve(const std::string& device) const {
  if (devices_.count(device) != 0) return device;
  for (const auto& [serial, one] : devices_) {
    if (one.has_standing && !device.empty() && ToHex(AsBytes(one.standing.device_id())) == device) {
      return serial;
    }
  }
  return "";
}

absl::StatusOr<std::shared_ptr<JobWatch>> Daemon::StartForDesk(const DeskRequest& request) {
  const bool backup = request.has_backup();
  const std::string& name = backup ? request.backup().device() : request.restore().device();
  MutexLock lock(mutex_);
  const std::string serial = Resolve(name);
  if (serial.empty()) {
    return Failure(absl::StatusCode::kNotFound, v1::CAUSE_NEVER_CONNECTED,
                   fmt::format("no phone {} is attached to this workstation", name),
                   "plug it in; mooring-agent devices lists what is here");
  }
  const Device& device = devices_.at(serial);
  if (backup && device.has_standing && device.standing.another_phone()) {
    return Failure(absl::StatusCode::kPermissionDenied, v1::CAUSE_ANOTHER_PHONE,
                   fmt::format("another phone than before has the serial number {}; nothing is "
                               "read from it",
                               serial),
                   "an administrator assigns it again: mooring device assign");
  }
  if (backup && device.has_standing && !device.standing.assigned()) {
    return Failure(absl::StatusCode::kPermissionDenied, v1::CAUSE_NOT_ASSIGNED,
                   fmt::format("{} is not assigned to anyone; nothing is read from it", serial),
                   "an administrator assigns it: mooring device assign");
  }
  auto watch = std::make_shared<JobWatch>();
  const Start::Task task = backup ? Start::TASK_BACKUP : Start::TASK_RESTORE;
  Job* const same = FindJob(serial, task);
  if (same != nullptr) {
    if (!backup) return absl::AlreadyExistsError("a restore to this phone is running already");
    same->watches.push_back(watch);
    return watch;
  }
  Job& job = AddJob(serial, task);
  if (backup) {
    *job.start.mutable_captures() = request.backup().captures();
    job.start.set_backup_password(request.backup().backup_password());
  } else {
    job.start.set_grant_code(request.restore().grant_code());
    job.start.set_backup_password(request.restore().backup_password());
  }
  job.watches.push_back(watch);
  StartWaiting();
  return watch;
}

void Daemon::Serve(const OpContext& ctx, const DeskRequest& request,
                   absl::FunctionRef<absl::Status(const DeskResponse&)> send) {
  DeskResponse response;
  switch (request.request_case()) {
    case DeskRequest::kStatus:
      *response.mutable_status() = Status();
      break;
    case DeskRequest::kDevices:
      *response.mutable_devices() = Devices();
      break;
    case DeskRequest::kBackup:
    case DeskRequest::kRestore: {
      AwaitDevice(ctx,
                  request.has_backup() ? request.backup().device() : request.restore().device(),
                  kDevicePatience);
      const auto watch = StartForDesk(request);
      if (!watch.ok()) {
        *response.mutable_failure() = ToFailure(watch.status());
        break;
      }
      while (const std::optional<DeskResponse> news = (*watch)->Next(ctx)) {
        if (!send(*news).ok()) return;
      }
      return;
    }
    default:
      *response.mutable_failure() = ToFailure(
          absl::UnimplementedError("the running agent does not know this request; restart it"));
  }
  send(response).IgnoreError();
}

session::v1::AgentStatus Daemon::Status() {
  MutexLock lock(mutex_);
  session::v1::AgentStatus status;
  status.set_agent_version(options_.agent_version);
  status.set_organization(options_.organization);
  status.set_server(ServerAddress());
  status.set_running(true);
  status.set_connected(connected_);
  status.set_connection_message(connection_message_);
  *status.mutable_certificate_expires_at() = ToTimestamp(certificate_expires_at_);
  status.set_clock_skew_seconds(absl::ToInt64Seconds(clock_skew_));
  std::uint32_t running = 0;
  for (const auto& job : running_) running += job->is_probe() || job->over ? 0U : 1U;
  status.set_sessions_running(running);
  std::uint32_t waiting = 0;
  for (const auto& job : waiting_) waiting += job->is_probe() ? 0U : 1U;
  status.set_sessions_waiting(waiting);
  status.set_devices_attached(static_cast<std::uint32_t>(devices_.size()));
  return status;
}

session::v1::AttachedDevice Daemon::Describe(const std::string& serial,
                                             const Device& device) const {
  session::v1::AttachedDevice one;
  *one.mutable_facts() = device.facts;
  one.set_device_id(device.standing.device_id());
  one.set_assigned(device.standing.assigned());
  one.set_admitted(device.standing.admitted());
  one.set_due(device.standing.due());
  one.set_person(device.standing.person());
  if (device.standing.has_last_snapshot_at()) {
    *one.mutable_last_snapshot_at() = device.standing.last_snapshot_at();
  }
  one.set_message(device.message);
  one.set_waiting_for(device.waiting_for);
  for (const auto& job : running_) {
    if (job->is_probe() || job->over || job->serial() != serial) continue;
    *one.mutable_progress() = job->progress;
    one.set_message(job->progress.message());
    one.set_waiting_for(job->progress.waiting_for());
  }
  return one;
}

session::v1::DeviceList Daemon::Devices() {
  MutexLock lock(mutex_);
  session::v1::DeviceList list;
  for (const auto& [serial, device] : devices_) *list.add_devices() = Describe(serial, device);
  for (const auto& [serial, device] : missed_) {
    session::v1::AttachedDevice& one = *list.add_devices();
    one = Describe(serial, device);
    one.set_unplugged(true);
    one.set_message(UnpluggedMessage(one.progress()));
  }
  return list;
}

bool Daemon::AwaitDevice(const OpContext& ctx, const std::string& device, absl::Duration patience) {
  MutexLock lock(mutex_);
  return changed_
      .WaitFor(mutex_, ctx.stop, patience,
               [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
                 const std::string serial = Resolve(device);
                 return !serial.empty() && devices_.at(serial).probed &&
                        devices_.at(serial).has_standing;
               })
      .ready;
}

void Daemon::AwaitProbes(const OpContext& ctx, absl::Duration patience) {
  MutexLock lock(mutex_);
  changed_.WaitFor(mutex_, ctx.stop, patience, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (const auto& [serial, device] : devices_) {
      if (!device.probed || (!device.has_standing && !device.provisional)) return false;
    }
    return !devices_.empty();
  });
}

}  // namespace mooring::agent
