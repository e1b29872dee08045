// Daemon: which phones are here, what the organization says of each, and what
// is to be done with them now. Runs the sessions.
//
//   monitors -> attached -> probe -> device_attached -> server
//   server -> standing -> due and present -> backup session -> receipt

#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/daemon/control_stream.h"
#include "agent/daemon/job.h"
#include "agent/device/device.h"
#include "agent/log/log.h"
#include "agent/process/session_process.h"
#include "mooring/session/v1/desk.pb.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"

namespace mooring::agent {

struct DaemonOptions {
  std::string agent_version;
  std::string hostname;
  std::string os;
  std::string organization;
  std::string server;  // Where the channel does not know its address.
  // Hears what servers say of where servers are. May be empty.
  std::function<void(const v1::ServerAddresses&)> learn_servers;
  absl::Time certificate_expires_at;
  // Backups and restores at once; probes are bounded apart.
  std::size_t sessions_max = 8;
  // Start a backup when a phone that is due is here.
  bool backup_on_attach = true;
  // For a phone that was unplugged in a session; 0: as its engine sees fit.
  std::uint32_t unplugged_wait_seconds = 0;
  LinkOptions link;
  SessionCommand command;
};

// Thread-safe. Everything it refers to outlives it.
class Daemon final : public DeviceMonitor::Listener, public ControlStream::Listener {
 public:
  Daemon(ServerChannel& channel, Clock& clock, Random& random, Log& log,
         const SecretBytes& hpke_private_key, DaemonOptions options);
  // Calls every session off and waits for its process.
  ~Daemon() override;

  // Answers one request of a desk command; `send` fails when nobody listens any
  // more, which leaves a running backup alone.
  void Serve(const OpContext& ctx, const session::v1::DeskRequest& request,
             absl::FunctionRef<absl::Status(const session::v1::DeskResponse&)> send);

  // Waits until the phone (by serial or Mooring's id) is here, was probed and
  // the server has said what it is. False after `patience`.
  bool AwaitDevice(const OpContext& ctx, const std::string& device, absl::Duration patience);
  // Waits until there are phones and all of them were probed and told about.
  void AwaitProbes(const OpContext& ctx, absl::Duration patience);
  void set_certificate_expiry(absl::Time expires_at);

  void OnAttached(const DeviceMonitor::Attached& device) override;
  void OnDetached(const std::string& serial) override;
  void OnChanged(const std::string& serial) override;

  std::vector<v1::ControlRequest> Greeting() override;
  void OnOrder(const v1::ControlResponse& order) override;
  void OnConnected(const v1::ServerHello& hello) override;
  void OnLost(const absl::Status& why) override;

 private:
  struct Device {
    v1::DeviceFacts facts;
    // Shown here, not told to the server.
    bool provisional = false;
    bool probed = false;
    bool has_standing = false;
    v1::DeviceStanding standing;
    v1::WaitingFor waiting_for = v1::WAITING_FOR_UNSPECIFIED;
    std::string message;
    // What the probe said, to be shown again when the standing changes.
    std::string probe_message;
    // Monotonic; no automatic backup before.
    absl::Duration retry_at = absl::ZeroDuration();
  };

  // Runs until the daemon goes: reaps jobs, retries what failed.
  void Keep(std::stop_token stop);
  void RunJob(Job& job);
  void OnJobProgress(Job& job, v1::Progress progress);
  void OnJobEnded(Job& job, SessionEnd end);
  void AfterProbe(Job& job, const SessionEnd& end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterSession(Job& job, const SessionEnd& end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Job* FindJob(const std::string& serial, session::v1::Start::Task task)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsBusy(const std::string& serial) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A backup or restore of it runs.
  bool HasSession(const std::string& serial) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Job& AddJob(const std::string& serial, session::v1::Start::Task task)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Probe(const std::string& serial) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Starts what may start within the bounds.
  void StartWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SayProgress() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Reap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Starts a backup if the phone is due and nothing speaks against it.
  void Decide(const std::string& serial) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnStanding(const v1::DeviceStanding& standing) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnStartBackup(const v1::StartBackup& order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnStartRestore(const v1::StartRestore& order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnCancel(const std::string& session_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Refuse(const std::string& serial, const std::string& restore_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The serial of the attached phone that `device` names; empty if none.
  std::string Resolve(const std::string& device) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<JobWatch>> StartForDesk(const session::v1::DeskRequest& request);
  session::v1::AgentStatus Status();
  session::v1::DeviceList Devices();
  session::v1::AttachedDevice Describe(const std::string& serial, const Device& device) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The server that is used now.
  std::string ServerAddress() const;

  ServerChannel& channel_;
  Clock& clock_;
  Random& random_;
  Log& log_;
  const SecretBytes& hpke_private_key_;
  const DaemonOptions options_;

  Mutex mutex_;
  CondVar changed_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool connected_ ABSL_GUARDED_BY(mutex_) = false;
  std::string connection_message_ ABSL_GUARDED_BY(mutex_) = "connecting";
  absl::Duration clock_skew_ ABSL_GUARDED_BY(mutex_);
  absl::Time certificate_expires_at_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Device> devices_ ABSL_GUARDED_BY(mutex_);
  // Unplugged while a session of theirs runs, which may wait for them.
  std::map<std::string, Device> missed_ ABSL_GUARDED_BY(mutex_);
  std::list<std::unique_ptr<Job>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::list<std::unique_ptr<Job>> running_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<ControlStream> control_;  // Made last, gone first.
  std::jthread keeper_;
};

}  // namespace mooring::agent
