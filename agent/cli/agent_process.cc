#include "agent/cli/agent_process.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <utility>

#include <fmt/format.h>

#include "agent/state/certificate.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kSessionsMaxDefault = 8;

}  // namespace

std::string Hostname() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "unknown";
  return name;
}

std::string OperatingSystem() {
  utsname names{};
  if (uname(&names) != 0) return "unknown";
  return fmt::format("{} {}", names.sysname, names.release);
}

AgentProcess::AgentProcess(Environment& environment, StateLock lock, const std::string& directory,
                           AgentState loaded, LogLevel level)
    : environment_(environment),
      lock_(std::move(lock)),
      directory_(environment.files, directory),
      loaded_(std::move(loaded)),
      log_(level),
      channel_(
          AddressBook(loaded_.ConfiguredServers(), loaded_.learned_servers, environment.random),
          loaded_.identity) {}

absl::StatusOr<std::unique_ptr<AgentProcess>> AgentProcess::Start(Environment& environment,
                                                                  const CommonOptions& common,
                                                                  bool automatic, LogLevel level) {
  StateDirectory directory(environment.files, common.state_directory);
  MOORING_ASSIGN_OR_RETURN(AgentState loaded, directory.Load());
  MOORING_ASSIGN_OR_RETURN(StateLock lock, StateLock::Take(common.state_directory));
  DaemonOptions options;
  options.agent_version = environment.version;
  options.hostname = Hostname();
  options.os = OperatingSystem();
  options.organization = loaded.config.organization();
  options.server = loaded.config.server();
  options.sessions_max =
      loaded.config.sessions_max() == 0 ? kSessionsMaxDefault : loaded.config.sessions_max();
  options.backup_on_attach = automatic && loaded.config.backup_on_attach();
  options.unplugged_wait_seconds = loaded.config.unplugged_wait_seconds();
  options.command = environment.session;
  MOORING_ASSIGN_OR_RETURN(const CertificateFacts facts,
                           ReadCertificate(loaded.identity.certificate_chain));
  MOORING_RETURN_IF_ERROR(CheckNotExpired(facts.not_after, environment.clock.Now()));
  options.certificate_expires_at = facts.not_after;
  std::unique_ptr<AgentProcess> process(new AgentProcess(
      environment, std::move(lock), common.state_directory, std::move(loaded), level));
  options.learn_servers = [learner = process.get()](const v1::ServerAddresses& servers) {
    learner->LearnServers(servers);
  };
  process->daemon_ =
      std::make_unique<Daemon>(process->channel_, environment.clock, environment.random,
                               process->log_, process->loaded_.hpke_private_key, options);
  process->keeper_ = std::make_unique<CertificateKeeper>(
      process->directory_, process->loaded_, process->channel_, environment.clock, process->log_,
      *process->daemon_, options.hostname);
  return process;
}

void AgentProcess::LearnServers(const v1::ServerAddresses& servers) {
  const std::vector<std::string> addresses(servers.addresses().begin(), servers.addresses().end());
  if (!channel_.Learn(addresses)) return;
  log_.Info("servers", {{"count", fmt::to_string(addresses.size())}});
  const absl::Status saved = directory_.SaveServers(addresses);
  if (!saved.ok()) log_.Warning("servers not saved", {{"why", saved.ToString()}});
}

absl::Status AgentProcess::StartMonitors() {
  MOORING_ASSIGN_OR_RETURN(monitors_, environment_.start_monitors(*daemon_));
  return absl::OkStatus();
}

absl::Status AgentProcess::OpenDesk() {
  MOORING_ASSIGN_OR_RETURN(
      desk_, DeskServer::Start(directory_.socket_path(),
                               [this](const OpContext& ctx, const session::v1::DeskRequest& request,
                                      DeskSend send) { daemon_->Serve(ctx, request, send); }));
  return absl::OkStatus();
}

}  // namespace mooring::agent
