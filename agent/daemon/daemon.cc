#include "agent/daemon/daemon.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/daemon/owner_words.h"
#include "agent/device/cause.h"
#include "agent/state/certificate.h"
#include "proto/protocol_version.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

using session::v1::Start;

constexpr std::size_t kProbesMax = 4;
constexpr absl::Duration kTick = absl::Seconds(5);
// A session that waits says so again, or its lease at the server would run out.
constexpr absl::Duration kSayAgain = absl::Seconds(60);
constexpr absl::Duration kRetryAfter = absl::Minutes(5);
// A person who said no, or was not there, is not asked again for a while.
constexpr absl::Duration kRetryAfterPerson = absl::Hours(1);

std::string Sentence(const session::v1::Finished& finished) {
  if (finished.next_step().empty()) return finished.message();
  return fmt::format("{}; {}", finished.message(), finished.next_step());
}

v1::AgentHello HelloOf(const DaemonOptions& options) {
  v1::AgentHello hello;
  hello.set_agent_version(options.agent_version);
  hello.set_protocol_version(kProtocolVersion);
  hello.set_hostname(options.hostname);
  hello.set_os(options.os);
  return hello;
}

}  // namespace

Daemon::Daemon(ServerChannel& channel, Clock& clock, Random& random, Log& log,
               const SecretBytes& hpke_private_key, DaemonOptions options)
    : channel_(channel),
      clock_(clock),
      random_(random),
      log_(log),
      hpke_private_key_(hpke_private_key),
      options_(std::move(options)),
      certificate_expires_at_(options_.certificate_expires_at),
      control_(std::make_unique<ControlStream>(channel, clock, random, HelloOf(options_), *this)),
      keeper_([this](std::stop_token stop) { Keep(std::move(stop)); }) {
  control_->Start();
}

Daemon::~Daemon() {
  std::list<std::unique_ptr<Job>> last;
  {
    MutexLock lock(mutex_);
    closing_ = true;
    waiting_.clear();
    for (const auto& job : running_) {
      job->stop_cause = v1::CAUSE_AGENT_STOPPED;
      job->stop.request_stop();
    }
  }
  keeper_.request_stop();
  keeper_.join();
  {
    MutexLock lock(mutex_);
    last.swap(running_);
  }
  last.clear();  // Joins.
  control_.reset();
}

void Daemon::Keep(std::stop_token stop) {
  absl::Duration said_at = clock_.Monotonic();
  while (!stop.stop_requested()) {
    MutexLock lock(mutex_);
    changed_.WaitFor(mutex_, stop, kTick, []() { return false; });
    Reap();
    if (closing_) return;
    if (clock_.Monotonic() - said_at >= kSayAgain) {
      said_at = clock_.Monotonic();
      SayProgress();
    }
    for (const auto& [serial, device] : devices_) Decide(serial);
    StartWaiting();
  }
}

void Daemon::SayProgress() {
  for (const auto& job : running_) {
    if (job->is_probe() || job->over || job->progress.session_id().empty()) continue;
    v1::ControlRequest event;
    *event.mutable_progress() = job->progress;
    control_->Send(std::move(event));
  }
}

void Daemon::Reap() {
  for (auto it = running_.begin(); it != running_.end();) {
    if (!(*it)->over) {
      ++it;
      continue;
    }
    // Its last act was to let go of the lock that is held here.
    (*it)->thread.join();
    it = running_.erase(it);
  }
}

Job* Daemon::FindJob(const std::string& serial, Start::Task task) {
  for (auto* list : {&waiting_, &running_}) {
    for (const auto& job : *list) {
      if (!job->over && job->serial() == serial && job->task() == task) return job.get();
    }
  }
  return nullptr;
}

bool Daemon::IsBusy(const std::string& serial) const {
  return std::any_of(running_.begin(), running_.end(),
                     [&](const auto& job) { return !job->over && job->serial() == serial; });
}

bool Daemon::HasSession(const std::string& serial) const {
  return std::any_of(running_.begin(), running_.end(), [&](const auto& job) {
    return !job->is_probe() && !job->over && job->serial() == serial;
  });
}

Job& Daemon::AddJob(const std::string& serial, Start::Task task) {
  auto job = std::make_unique<Job>();
  job->start.set_task(task);
  job->start.set_serial(serial);
  job->start.set_platform(devices_[serial].facts.platform());
  job->start.set_agent_version(options_.agent_version);
  job->start.set_unplugged_wait_seconds(options_.unplugged_wait_seconds);
  if (task != Start::TASK_PROBE) {
    job->start.set_hpke_private_key(ToString(hpke_private_key_.view()));
  }
  job->progress.set_serial(serial);
  job->progress.set_percent(-1);
  waiting_.push_back(std::move(job));
  return *waiting_.back();
}

void Daemon::StartWaiting() {
  if (closing_) return;
  std::size_t probes = 0;
  std::size_t sessions = 0;
  for (const auto& job : running_) {
    if (!job->over) ++(job->is_probe() ? probes : sessions);
  }
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    Job& job = **it;
    std::size_t& count = job.is_probe() ? probes : sessions;
    if (count >= (job.is_probe() ? kProbesMax : options_.sessions_max) || IsBusy(job.serial())) {
      ++it;
      continue;
    }
    ++count;
    running_.splice(running_.end(), waiting_, it++);
    job.thread = std::jthread([this, &job] { RunJob(job); });
  }
}

void Daemon::RunJob(Job& job) {
  OpContext ctx;
  ctx.stop = job.stop.get_token();
  SessionProcess process(channel_, clock_, random_, log_, options_.link, options_.command);
  const SessionEnd end = process.Run(
      ctx, job.start, [&](const v1::Progress& progress) { OnJobProgress(job, progress); },
      [&job] { return job.stop_cause.load(); });
  OnJobEnded(job, end);
}

void Daemon::OnJobProgress(Job& job, v1::Progress progress) {
  progress.set_serial(job.serial());
  MutexLock lock(mutex_);
  job.progress = progress;
  for (const auto& watch : job.watches) watch->PostProgress(progress);
  if (job.is_probe() || closing_) return;
  v1::ControlRequest event;
  *event.mutable_progress() = std::move(progress);
  control_->Send(std::move(event));
}

void Daemon::OnJobEnded(Job& job, SessionEnd end) {
  MutexLock lock(mutex_);
  if (const auto it = devices_.find(job.serial()); it != devices_.end()) {
    end.finished =
        InOrganizationsWords(end.finished, job.task() == Start::TASK_BACKUP, it->second.standing);
  }
  for (const auto& watch : job.watches) watch->PostFinished(end.finished);
  if (job.is_probe()) {
    AfterProbe(job, end);
  } else {
    AfterSession(job, end);
    missed_.erase(job.serial());
  }
  job.over = true;
  StartWaiting();
  changed_.NotifyAll();
}

void Daemon::AfterProbe(Job& job, const SessionEnd& end) {
  const auto it = devices_.find(job.serial());
  if (it == devices_.end() || closing_) return;
  Device& device = it->second;
  device.probed = true;
  if (end.has_probed) {
    // What kept it from being backed up is gone: no reason to wait any longer.
    if (device.waiting_for != v1::WAITING_FOR_UNSPECIFIED &&
        end.probed.waiting_for() == v1::WAITING_FOR_UNSPECIFIED) {
      device.retry_at = absl::ZeroDuration();
    }
    const v1::Platform platform = device.facts.platform();
    device.facts = end.probed.facts();
    device.facts.set_platform(platform);
    device.facts.set_serial(job.serial());
    device.waiting_for = end.probed.waiting_for();
    device.probe_message = end.probed.message();
  } else {
    device.probe_message = Sentence(end.finished);
    log_.Warning("probe failed", {{"why", end.finished.message()}});
  }
  device.message = device.has_standing
                       ? DeskMessage(device.standing, device.waiting_for, device.probe_message)
                       : device.probe_message;
  if (device.provisional) return;
  v1::ControlRequest event;
  *event.mutable_device_attached() = device.facts;
  control_->Send(std::move(event));
  Decide(job.serial());
}

void Daemon::AfterSession(Job& job, const SessionEnd& end) {
  const bool restore = job.task() == Start::TASK_RESTORE;
  log_.Info(restore ? "restore ended" : "backup ended",
            {{"session", ToHex(AsBytes(end.session_id))},
             {"succeeded", end.finished.succeeded() ? "yes" : "no"},
             {"cause", v1::Cause_Name(end.finished.cause())},
             {"files", fmt::to_string(end.finished.file_count())},
             {"bytes", fmt::to_string(end.finished.bytes())},
             {"peak_memory_bytes", fmt::to_string(end.finished.peak_memory_bytes())},
             {"why", end.finished.message()}});
  if (!end.finished.succeeded() && !closing_) {
    v1::ControlRequest event;
    v1::SessionEnded& ended = *event.mutable_session_ended();
    ended.set_session_id(end.session_id);
    ended.set_serial(job.serial());
    ended.set_cause(end.finished.cause());
    ended.set_message(Sentence(end.finished));
    ended.set_restore_id(end.restore_id.empty() ? job.restore_id : end.restore_id);
    control_->Send(std::move(event));
  }
  const auto it = devices_.find(job.serial());
  if (it == devices_.end()) return;
  Device& device = it->second;
  device.waiting_for = v1::WAITING_FOR_UNSPECIFIED;
  if (end.finished.succeeded()) {
    device.message = restore ? "Restored" : "Backed up; safe to unplug";
    if (!end.finished.reminder().empty()) device.message += ". " + end.finished.reminder();
    // Until the server says so itself.
    if (!restore) device.standing.set_due(false);
  } else {
    device.message = Sentence(end.finished);
    device.retry_at = clock_.Monotonic() +
                      (WasForAPerson(end.finished.cause()) ? kRetryAfterPerson : kRetryAfter);
  }
}

void Daemon::Probe(const std::string& serial) {
  if (FindJob(serial, Start::TASK_PROBE) == nullptr) AddJob(serial, Start::TASK_PROBE);
  StartWaiting();
}

void Daemon::OnAttached(const DeviceMonitor::Attached& attached) {
  MutexLock lock(mutex_);
  log_.Info("phone attached", {{"serial", attached.serial}});
  missed_.erase(attached.serial);
  Device& device = devices_[attached.serial];
  device = Device();
  device.facts.set_platform(attached.platform);
  device.facts.set_serial(attached.serial);
  device.facts.set_battery_percent(-1);
  device.provisional = attached.provisional;
  Probe(attached.serial);
}

void Daemon::OnDetached(const std::string& serial) {
  MutexLock lock(mutex_);
  const auto it = devices_.find(serial);
  if (it == devices_.end()) return;
  const bool was_told = !it->second.provisional;
  if (HasSession(serial)) missed_[serial] = it->second;
  devices_.erase(it);
  log_.Info("phone detached", {{"serial", serial}});
  changed_.NotifyAll();
  if (!was_told) return;
  v1::ControlRequest event;
  event.set_device_detached(serial);
  control_->Send(std::move(event));
}

void Daemon::OnChanged(const std::string& serial) {
  MutexLock lock(mutex_);
  if (devices_.count(serial) == 0 || IsBusy(serial)) return;
  Probe(serial);
}

void Daemon::Decide(const std::string& serial) {
  const auto it = devices_.find(serial);
  if (it == devices_.end() || closing_) return;
  const Device& device = it->second;
  if (!options_.backup_on_attach || !device.probed || !device.has_standing ||
      !device.standing.assigned() || !device.standing.due() ||
      clock_.Monotonic() < device.retry_at || IsBusy(serial) ||
      FindJob(serial, Start::TASK_BACKUP) != nullptr ||
      FindJob(serial, Start::TASK_RESTORE) != nullptr) {
    return;
  }
  Job& job = AddJob(serial, Start::TASK_BACKUP);
  job.automatic = true;
  StartWaiting();
}

std::vector<v1::ControlRequest> Daemon::Greeting() {
  MutexLock lock(mutex_);
  std::vector<v1::ControlRequest> greeting;
  for (const auto& [serial, device] : devices_) {
    if (!device.probed || device.provisional) continue;
    v1::ControlRequest event;
    *event.mutable_device_attached() = device.facts;
    greeting.push_back(std::move(event));
  }
  for (const auto& job : running_) {
    if (job->is_probe() || job->over) continue;
    v1::ControlRequest event;
    *event.mutable_progress() = job->progress;
    greeting.push_back(std::move(event));
  }
  return greeting;
}

std::string Daemon::ServerAddress() const {
  const std::string address = channel_.address();
  return address.empty() ? options_.server : address;
}

void Daemon::OnConnected(const v1::ServerHello& hello) {
  if (hello.has_servers() && options_.learn_servers) options_.learn_servers(hello.servers());
  MutexLock lock(mutex_);
  log_.Info("connected", {{"server", ServerAddress()}, {"version", hello.server_version()}});
  connected_ = true;
  if (hello.has_server_time()) {
    clock_skew_ = clock_.Now() - absl::FromUnixSeconds(hello.server_time().seconds());
  }
  connection_message_.clear();
  changed_.NotifyAll();
}

void Daemon::OnLost(const absl::Status& lost) {
  MutexLock lock(mutex_);
  // Where the handshake fails for it, nothing else tells us.
  const absl::Status valid = CheckNotExpired(certificate_expires_at_, clock_.Now());
  const absl::Status& why = valid.ok() ? lost : valid;
  if (connected_ || connection_message_ == "connecting") {
    log_.Warning("not connected", {{"server", ServerAddress()}, {"why", why.ToString()}});
  }
  connected_ = false;
  connection_message_ = std::string(why.message());
  changed_.NotifyAll();
}

void Daemon::set_certificate_expiry(absl::Time expires_at) {
  MutexLock lock(mutex_);
  certificate_expires_at_ = expires_at;
}

}  // namespace mooring::agent
