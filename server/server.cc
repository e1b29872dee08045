#include "server/server.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/auth/permissions.h"
#include "server/config/authority_record.h"
#include "server/config/endpoints_file.h"
#include "server/config/identity.h"
#include "server/config/object_store.h"
#include "server/config/server_config.h"
#include "server/config/server_id.h"
#include "server/jobs/leased_rounds.h"
#include "server/jobs/object_locks.h"
#include "server/jobs/periodic_job.h"
#include "server/rpc/listener.h"
#include "server/rpc/rpc_gate.h"
#include "server/rpc/tls.h"
#include "server/services/access_service.h"
#include "server/services/agent_service.h"
#include "server/services/backup_service.h"
#include "server/services/care_desk.h"
#include "server/services/care_service.h"
#include "server/services/collection_desk.h"
#include "server/services/collection_service.h"
#include "server/services/enrollment_service.h"
#include "server/services/fleet_service.h"
#include "server/services/peers.h"
#include "server/services/policy_service.h"
#include "server/services/report_service.h"
#include "server/services/repository_service.h"
#include "server/services/restore_service.h"
#include "server/services/retention_service.h"
#include "storage/base/status.h"
#include "storage/catalog/collection_store.h"
#include "storage/catalog/database_clock.h"
#include "storage/catalog/database_url.h"
#include "storage/catalog/migrations.h"
#include "storage/catalog/organization_store.h"
#include "storage/catalog/pg_catalog.h"
#include "storage/catalog/private_postgres.h"
#include "storage/repository/epoch.h"
#include "storage/repository/key_custody.h"
#include "storage/seal/digest.h"

namespace mooring::server {
namespace {

constexpr std::size_t kControlThreads = 8;
constexpr std::size_t kControlQueueMax = 4096;
constexpr int kAuthenticationFailuresMax = 30;
constexpr std::size_t kConnectionsMax = 24;
constexpr absl::Duration kCareDeadline = absl::Hours(1);
constexpr absl::Duration kPruneAsk = absl::Minutes(10);
constexpr absl::Duration kPruneDeadline = absl::Hours(1);
// A round of collection reads all of the catalog and may copy much of the store.
constexpr absl::Duration kCollectAsk = absl::Minutes(10);
constexpr absl::Duration kCollectDeadline = absl::Hours(20);

}  // namespace

// Members are made in the order in which each needs the one before it.
class Server::Body {
 public:
  Body(const ServerEnvironment& environment, StateDir dir, config::v1::ServerConfig config)
      : env_(environment),
        dir_(std::move(dir)),
        config_(std::move(config)),
        metrics_(kServerVersion),
        failures_(environment.clock, kAuthenticationFailuresMax, absl::Minutes(1)),
        slots_({.sessions_max = config_.limits().sessions_max(),
                .queue_max = config_.limits().queue_max()},
               environment.clock),
        board_(environment.clock) {}

  ~Body() { Stop(absl::ZeroDuration()); }

  absl::Status Start(const OpContext& ctx, absl::Duration upload_idle) {
    MOORING_ASSIGN_OR_RETURN(lock_, StateLock::Take(dir_));
    MOORING_RETURN_IF_ERROR(LoadIdentity());
    MOORING_RETURN_IF_ERROR(OpenDatabase(ctx));
    MOORING_RETURN_IF_ERROR(OpenRepository(ctx));
    MOORING_RETURN_IF_ERROR(ReadSettings(ctx, upload_idle));
    MOORING_ASSIGN_OR_RETURN(PermissionTable permissions, PermissionTable::Read(ServiceNames()));
    permissions_ = std::make_unique<PermissionTable>(std::move(permissions));
    MOORING_ASSIGN_OR_RETURN(SecretBytes pack_index_key,
                             OrganizationKey(ctx, storage::KeyPurpose::kPackIndexKey));
    MOORING_ASSIGN_OR_RETURN(const SecretBytes organization_key,
                             OrganizationKey(ctx, storage::KeyPurpose::kOrganizationKey));
    MOORING_RETURN_IF_ERROR(JoinPeers(ctx));
    MakeServices(std::move(pack_index_key), GrantCodeKey(organization_key));
    MOORING_RETURN_IF_ERROR(MakeCare(ctx));
    MOORING_RETURN_IF_ERROR(sessions_->Resume(ctx));
    MOORING_RETURN_IF_ERROR(DetachOurDevices(ctx));
    MOORING_RETURN_IF_ERROR(Listen());
    MOORING_RETURN_IF_ERROR(PeersRound(ctx));
    StartJobs();
    return WriteEndpoints(env_.files, dir_.endpoints(), endpoints_);
  }

  void Stop(absl::Duration grace) {
    if (std::exchange(stopped_, true)) return;
    env_.log.Info("server.drain");
    drain_.request_stop();
    jobs_.clear();
    hub_.CloseAll(absl::UnavailableError("the server is shutting down"));
    // Enrollment first: its calls are short, and it is what outsiders see.
    if (enrollment_listener_ != nullptr) enrollment_listener_->Shutdown(grace);
    if (agents_listener_ != nullptr) agents_listener_->Shutdown(grace);
    metrics_endpoint_.reset();
    // Finishes what control streams still had to tell the catalog.
    control_executor_.reset();
    if (sessions_ != nullptr) {
      sessions_->StoreProgress({.deadline = env_.clock.Now() + absl::Seconds(5), .stop = {}});
    }
    metrics_.SetSessionSource({});
    if (peers_ != nullptr) {
      peers_->Leave({.deadline = env_.clock.Now() + absl::Seconds(5), .stop = {}});
    }
    repository_.reset();
    catalog_.reset();
    if (postgres_ != nullptr) {
      const absl::Status stopped = postgres_->Stop();
      if (!stopped.ok()) {
        env_.log.Warning("database.stop", {{"message", std::string(stopped.message())}});
      }
      postgres_.reset();
    }
    env_.log.Info("server.stopped");
  }

  absl::Status RefreshMetrics(const OpContext& ctx) {
    MOORING_RETURN_IF_ERROR(RefreshFleetFigures(ctx, *parts_, certificate_expires_at_));
    return care_->RefreshGauges(ctx);
  }

  absl::Status RunJobsOnce(const OpContext& ctx) {
    sessions_->StoreProgress(ctx);
    MOORING_RETURN_IF_ERROR(sessions_->Expire(ctx));
    MOORING_RETURN_IF_ERROR(ExpireRequests(ctx, *parts_));
    MOORING_RETURN_IF_ERROR(FinishApprovedDeletions(ctx, *parts_));
    MOORING_RETURN_IF_ERROR(care_->DamageRound(ctx));
    MOORING_RETURN_IF_ERROR(standings_->PushChanges(ctx));
    MOORING_RETURN_IF_ERROR(Prune(ctx));
    MOORING_RETURN_IF_ERROR(Collect(ctx));
    return RefreshMetrics(ctx);
  }

  const Endpoints& endpoints() const { return endpoints_; }
  ServerMetrics& metrics() { return metrics_; }

 private:
  absl::Status Prune(const OpContext& ctx) {
    storage::CatalogClock database_clock(*catalog_);
    storage::Pruner pruner(*catalog_, *repository_, env_.clock, settings_.prune_limits,
                           &database_clock);
    const auto ran = pruner.ApplyIfDue(ctx, settings_.prune_period);
    if (absl::IsFailedPrecondition(ran.status())) {
      // Clocks that disagree, or a stop: in the status and alerted, and not ours to mend.
      env_.log.Warning("repository.prune_refused",
                       {{"message", std::string(ran.status().message())}});
      return absl::OkStatus();
    }
    MOORING_RETURN_IF_ERROR(ran.status());
    const std::optional<storage::PruneResult>& result = *ran;
    if (!result) return absl::OkStatus();
    env_.log.Info("repository.prune", {{"kept", result->kept},
                                       {"dropped", result->dropped},
                                       {"deferred", result->deferred},
                                       {"failed", result->failed},
                                       {"paused", result->pauses.size()}});
    return absl::OkStatus();
  }

  absl::Status Collect(const OpContext& ctx) {
    const absl::Status collected =
        collection_->CollectIfDue(ctx, absl::Seconds(config_.collection().period_seconds()))
            .status();
    // Clocks that disagree, a stop, another server's round: logged, alerted, and not ours to mend.
    return absl::IsFailedPrecondition(collected) ? absl::OkStatus() : collected;
  }

  absl::Status LoadIdentity() {
    MOORING_ASSIGN_OR_RETURN(kek_, storage::FileKekProvider::Load(env_.files, env_.random,
                                                                  env_.clock, config_.kek_file()));
    MOORING_ASSIGN_OR_RETURN(authority_, LoadAuthority(env_.files, dir_, *kek_, env_.random));
    // Names may have changed in the configuration: a new one at every start.
    return RenewCertificate(true);
  }

  absl::Status RenewCertificate(bool always) {
    MOORING_ASSIGN_OR_RETURN(
        const absl::Time expires_at,
        EnsureServerCertificate(env_.files, dir_, *authority_, ServerNames(config_.listen()),
                                env_.clock.Now(), always));
    certificate_expires_at_ = expires_at;
    return absl::OkStatus();
  }

  absl::Status OpenDatabase(const OpContext& ctx) {
    database_url_ = config_.database_url();
    if (database_url_.empty()) {
      storage::PrivatePostgresOptions options;
      options.directory = dir_.postgres();
      MOORING_ASSIGN_OR_RETURN(
          postgres_,
          storage::PrivatePostgres::Start(
              ctx, options, env_.clock,
              [&log = env_.log](storage::PrivatePostgres::State state, const std::string& message) {
                const bool running = state == storage::PrivatePostgres::State::kRunning;
                log.Write(running ? LogLevel::kInfo : LogLevel::kWarning, "database.state",
                          {{"running", running}, {"message", message}});
              }));
      database_url_ = postgres_->url();
      env_.log.Info("database.start", {{"adopted", postgres_->adopted()}});
    }
    MOORING_RETURN_IF_ERROR(storage::MigrateCatalog(ctx, database_url_, env_.clock).status());
    storage::PgCatalogOptions options;
    options.url = database_url_;
    options.connections_max = kConnectionsMax;
    MOORING_ASSIGN_OR_RETURN(catalog_,
                             storage::PgCatalog::Open(ctx, options, env_.clock, env_.random));
    for (const std::string& warning : catalog_->warnings()) {
      env_.log.Warning("database.warning", {{"message", warning}});
    }
    return absl::OkStatus();
  }

  absl::Status OpenRepository(const OpContext& ctx) {
    MOORING_ASSIGN_OR_RETURN(OpenedObjectStore opened,
                             OpenObjectStore(ctx, {env_.files, env_.clock, env_.random}, config_));
    objects_ = std::move(opened.store);
    if (!opened.capabilities.empty()) {
      env_.log.Info("objects.probed",
                    {{"repository", config_.repository()}, {"capabilities", opened.capabilities}});
    }
    MOORING_ASSIGN_OR_RETURN(
        repository_,
        storage::Repository::Open(ctx, *catalog_, *objects_, *kek_, env_.clock, env_.random));
    if (config_.replica().empty()) return absl::OkStatus();
    absl::StatusOr<OpenedObjectStore> replica =
        OpenObjectStore(ctx, {env_.files, env_.clock, env_.random}, ReplicaAsRepository(config_));
    if (!replica.ok()) return Annotate(replica.status(), "replica " + config_.replica());
    replica_ = std::move(replica->store);
    return absl::OkStatus();
  }

  absl::Status ReadSettings(const OpContext& ctx, absl::Duration upload_idle) {
    settings_.database = storage::DescribeDatabase(database_url_);
    settings_.repository = config_.repository();
    settings_.lease = absl::Seconds(config_.limits().lease_seconds());
    settings_.store_reserve_bytes = config_.limits().store_reserve_bytes();
    settings_.session_quota_bytes = config_.limits().session_quota_bytes();
    settings_.upload_idle = upload_idle;
    settings_.started_at = env_.clock.Now();
    settings_.prune_limits.drops_max = config_.pruning().drops_max();
    settings_.prune_limits.percent_max = config_.pruning().drop_percent_max();
    settings_.prune_period = absl::Seconds(config_.pruning().period_seconds());
    return catalog_->Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const auto organization, tx.organization().Get());
      if (!organization) {
        return absl::FailedPreconditionError(
            "the database has no organization; run `mooringd init` first");
      }
      settings_.organization = organization->name;
      // What the database recorded at init counts, not what the file says today.
      settings_.single_admin = organization->single_admin;
      return absl::OkStatus();
    });
  }

  absl::StatusOr<SecretBytes> OrganizationKey(const OpContext& ctx, storage::KeyPurpose purpose) {
    storage::KeyCustody custody(*catalog_, *objects_, *kek_, env_.clock, env_.random);
    return custody.OrganizationKey(ctx, purpose);
  }

  // The same at every server, and of use for nothing else.
  static SecretBytes GrantCodeKey(const SecretBytes& organization_key) {
    return storage::HkdfExpand(organization_key.view(), {AsBytes("mooring/grant-code-key/1")},
                               storage::kSha256Bytes);
  }

  absl::Status JoinPeers(const OpContext& ctx) {
    MOORING_RETURN_IF_ERROR(PublishAuthority(ctx, *catalog_, env_.files, dir_));
    MOORING_ASSIGN_OR_RETURN(const ServerId self, EnsureServerId(env_.files, dir_, env_.random));
    peers_ = std::make_unique<Peers>(PeersParts{*catalog_, hub_, env_.log, env_.clock}, self,
                                     HostName(), kServerVersion);
    return peers_->Join(ctx);
  }

  absl::Status PeersRound(const OpContext& ctx) {
    absl::StatusOr<std::vector<Peers::Order>> orders = peers_->Round(ctx);
    if (!orders.ok()) {
      // Tried again in a second: one line says it.
      return std::exchange(is_cut_off_, true) ? absl::OkStatus() : orders.status();
    }
    is_cut_off_ = false;
    for (const Peers::Order& order : *orders) Deliver(ctx, order);
    sessions_->HandOver();
    return absl::OkStatus();
  }

  // What another server was asked for.
  void Deliver(const OpContext& ctx, const Peers::Order& order) {
    // A restore comes without its code: this server makes the order itself.
    const absl::Status delivered =
        order.order.has_start_restore()
            ? restores_->Dispatch(ctx, order.order.start_restore().serial())
            : hub_.SendHere(order.agent, order.order);
    if (delivered.ok()) return;
    env_.log.Warning("order.not_delivered",
                     {{"agent", order.agent.hex()}, {"message", std::string(delivered.message())}});
  }

  void MakeServices(SecretBytes pack_index_key, SecretBytes code_key) {
    agent_authenticator_ = std::make_unique<AgentAuthenticator>(*catalog_, env_.clock);
    token_authenticator_ = std::make_unique<TokenAuthenticator>(*catalog_, env_.clock);
    parts_ = std::make_unique<ServerParts>(ServerParts{
        *catalog_, *objects_, *repository_, *authority_, *agent_authenticator_, failures_, slots_,
        board_, hub_, *peers_, metrics_, addresses_, env_.log, env_.clock, env_.random, settings_});
    collection_ = std::make_unique<CollectionDesk>(*parts_, std::move(pack_index_key),
                                                   CollectionOptionsOf(config_.collection()));
    agents_gate_ = MakeGate(*agent_authenticator_);
    tokens_gate_ = MakeGate(*token_authenticator_);
    standings_ = std::make_unique<Standings>(*parts_);
    sessions_ = std::make_unique<SessionDesk>(*parts_, *standings_);
    restores_ = std::make_unique<RestoreDesk>(*parts_, std::move(code_key));
    events_ = std::make_unique<AgentEvents>(*parts_, *standings_, *sessions_, *restores_);
    control_executor_ = std::make_unique<ThreadPool>("control", kControlThreads, kControlQueueMax);
    RpcGate& agents = *agents_gate_;
    RpcGate& tokens = *tokens_gate_;
    agent_services_.push_back(
        std::make_unique<AgentServiceImpl>(agents, *parts_, *events_, *control_executor_));
    agent_services_.push_back(std::make_unique<BackupServiceImpl>(agents, *parts_, *sessions_));
    agent_services_.push_back(std::make_unique<RestoreServiceImpl>(agents, *parts_));
    admin_services_.push_back(std::make_unique<EnrollmentServiceImpl>(tokens, *parts_));
    admin_services_.push_back(
        std::make_unique<FleetServiceImpl>(tokens, *parts_, *standings_, *sessions_));
    admin_services_.push_back(std::make_unique<PolicyServiceImpl>(tokens, *parts_, *standings_));
    admin_services_.push_back(std::make_unique<ReportServiceImpl>(tokens, *parts_));
    admin_services_.push_back(std::make_unique<AccessServiceImpl>(tokens, *parts_, *restores_));
    admin_services_.push_back(std::make_unique<RepositoryServiceImpl>(tokens, *parts_));
    admin_services_.push_back(std::make_unique<RetentionServiceImpl>(tokens, *parts_));
    admin_services_.push_back(
        std::make_unique<CollectionServiceImpl>(tokens, *parts_, *collection_));
    admin_services_.push_back(std::make_unique<RestoreServiceImpl>(tokens, *parts_));
    metrics_.SetSessionSource([this] {
      SessionFigures figures;
      board_.Count(figures);
      figures.queued = slots_.waiting();
      figures.max = slots_.sessions_max();
      return figures;
    });
  }

  absl::Status MakeCare(const OpContext& ctx) {
    const config::v1::Care& care = config_.care();
    CareOptions options;
    options.database_url = database_url_;
    options.replica_location = config_.replica();
    options.scrub.bytes_per_second = care.scrub_bytes_per_second();
    options.scrub.every = absl::Hours(24 * care.scrub_days());
    options.replica_bytes_per_second = care.replica_bytes_per_second();
    options.exports_kept = care.exports_kept();
    options.export_every = absl::Hours(care.export_hours());
    options.drill_snapshots = care.drill_snapshots();
    MOORING_ASSIGN_OR_RETURN(care_, CareDesk::Make(ctx, *parts_, *kek_, replica_.get(), options));
    admin_services_.push_back(std::make_unique<CareServiceImpl>(*tokens_gate_, *parts_, *care_));
    if (!care.off()) {
      collection_->collection_parts().newest_export = [this](const OpContext& call) {
        return care_->NewestExport(call);
      };
    }
    return absl::OkStatus();
  }

  void StartCareJobs() {
    if (config_.care().off()) return;
    const auto add = [&](const char* name, absl::Duration period, PeriodicJob::Round round) {
      jobs_.push_back(std::make_unique<PeriodicJob>(
          name, period, kCareDeadline, env_.clock, env_.log,
          [this, name, period, round = std::move(round)](const OpContext& ctx) {
            return leased_->Run(ctx, name, period, round);
          }));
    };
    // On every server: each compares with what it saw last itself, and to do it twice
    // changes nothing.
    jobs_.push_back(std::make_unique<PeriodicJob>(
        "damage", absl::Seconds(30), kCareDeadline, env_.clock, env_.log,
        [this](const OpContext& ctx) { return care_->DamageRound(ctx); }));
    add("scrub", absl::Minutes(5), [this](const OpContext& ctx) { return care_->ScrubRound(ctx); });
    add("replica", absl::Minutes(5),
        [this](const OpContext& ctx) { return care_->ReplicaRound(ctx); });
    add("export", absl::Minutes(10),
        [this](const OpContext& ctx) { return care_->ExportRound(ctx); });
    add("drill", absl::Minutes(10),
        [this](const OpContext& ctx) { return care_->DrillRound(ctx); });
  }

  std::unique_ptr<RpcGate> MakeGate(Authenticator& authenticator) {
    return std::make_unique<RpcGate>(*permissions_, authenticator, failures_, metrics_, env_.log,
                                     env_.clock, env_.random, drain_.get_token());
  }

  // No agent is connected here yet; each tells of its phones when it is.
  absl::Status DetachOurDevices(const OpContext& ctx) {
    return catalog_->Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const auto agents, tx.agents().List());
      for (const storage::AgentView& view : agents) {
        if (view.attached.empty() || hub_.IsElsewhere(view.agent.id)) continue;
        MOORING_RETURN_IF_ERROR(tx.devices().DetachAll(view.agent.id));
      }
      return absl::OkStatus();
    });
  }

  absl::Status Listen() {
    const Endpoints before = ReadEndpoints(env_.files, dir_.endpoints());
    const TlsFiles tls{.certificate_chain = dir_.server_certificate(),
                       .private_key = dir_.server_key(),
                       .client_ca = dir_.ca_certificate()};
    ListenerOptions agents;
    agents.name = "agents";
    agents.address = config_.listen().agents();
    agents.preferred_port = PortOf(before.agents);
    MOORING_ASSIGN_OR_RETURN(
        agents_listener_,
        Listener::Start(agents, MakeServerCredentials(tls, ClientCertificate::kRequired),
                        Pointers(agent_services_)));
    ListenerOptions enrollment;
    enrollment.name = "enrollment";
    enrollment.address = config_.listen().enrollment();
    enrollment.preferred_port = PortOf(before.enrollment);
    enrollment.streams_max = 32;
    enrollment.threads_max = 256;
    enrollment.memory_max = std::size_t{256} << 20;
    enrollment.idle_max = absl::Minutes(5);
    MOORING_ASSIGN_OR_RETURN(
        enrollment_listener_,
        Listener::Start(enrollment, MakeServerCredentials(tls, ClientCertificate::kNone),
                        Pointers(admin_services_)));
    MOORING_ASSIGN_OR_RETURN(metrics_endpoint_,
                             MetricsEndpoint::Start(config_.listen().metrics(), metrics_));
    endpoints_.agents = Reachable(agents_listener_->address());
    endpoints_.enrollment = Reachable(enrollment_listener_->address());
    endpoints_.metrics = metrics_endpoint_->address();
    addresses_.Set(endpoints_.agents, endpoints_.enrollment);
    peers_->SetAddresses(endpoints_.agents, endpoints_.enrollment);
    return absl::OkStatus();
  }

  static std::vector<grpc::Service*> Pointers(
      const std::vector<std::unique_ptr<grpc::Service>>& services) {
    std::vector<grpc::Service*> result;
    for (const auto& service : services) result.push_back(service.get());
    return result;
  }

  static int PortOf(const std::string& address) {
    const auto parsed = ParseHostPort(address);
    return parsed.ok() ? parsed->port : 0;
  }

  // The address as others reach it: a configured name, or this host's where the
  // server listens on every address.
  std::string Reachable(const std::string& address) const {
    const auto parsed = ParseHostPort(address);
    if (!parsed.ok()) return address;
    std::string host = parsed->host;
    if (!config_.listen().names().empty()) {
      host = config_.listen().names(0);
    } else if (host == "0.0.0.0" || host == "::") {
      host = HostName();
    }
    return JoinHostPort(host, parsed->port);
  }

  void StartObjectLocks() {
    object_locks_ = std::make_unique<ObjectLocks>(*catalog_, *objects_, env_.clock,
                                                  absl::Hours(24) * config_.object_lock_days());
    jobs_.push_back(std::make_unique<PeriodicJob>(
        "object-locks", kObjectLockRound, kObjectLockRound * 0.9, env_.clock, env_.log,
        [this](const OpContext& ctx) {
          // One server at a time, but each in its turn: what is new is locked as soon
          // as any of them starts, and a round with nothing to do costs little.
          return leased_->Run(
              ctx, "object-locks", absl::ZeroDuration(),
              [this](const OpContext& round) { return object_locks_->Round(round); });
        }));
  }

  void StartJobs() {
    leased_ = std::make_unique<LeasedRounds>(
        *catalog_, env_.clock, env_.log,
        fmt::format("{}/{}", HostName(), SessionId::Make(env_.random).hex().substr(0, 8)));
    const auto add = [&](const char* name, absl::Duration period, PeriodicJob::Round round) {
      jobs_.push_back(std::make_unique<PeriodicJob>(name, period, absl::Minutes(2), env_.clock,
                                                    env_.log, std::move(round)));
    };
    add("sessions", absl::Seconds(10), [this](const OpContext& ctx) {
      sessions_->StoreProgress(ctx);
      return sessions_->Expire(ctx);
    });
    add("peers", kPeersRound, [this](const OpContext& ctx) { return PeersRound(ctx); });
    add("requests", absl::Minutes(1), [this](const OpContext& ctx) {
      return leased_->Run(ctx, "requests", absl::Minutes(1), [this](const OpContext& round) {
        const absl::Status expired = ExpireRequests(round, *parts_);
        return expired.ok() ? FinishApprovedDeletions(round, *parts_) : expired;
      });
    });
    add("standings", absl::Minutes(1),
        [this](const OpContext& ctx) { return standings_->PushChanges(ctx); });
    add("metrics", absl::Seconds(15), [this](const OpContext& ctx) { return RefreshMetrics(ctx); });
    // Due once a period in the fleet of servers; asked for more often, so that a
    // server that was down at its hour is not a day late.
    if (!config_.pruning().off()) {
      const absl::Duration ask = std::min(settings_.prune_period, kPruneAsk);
      jobs_.push_back(std::make_unique<PeriodicJob>(
          "prune", ask, kPruneDeadline, env_.clock, env_.log, [this, ask](const OpContext& ctx) {
            return leased_->Run(ctx, "prune", ask,
                                [this](const OpContext& round) { return Prune(round); });
          }));
    }
    if (!config_.collection().off()) {
      jobs_.push_back(std::make_unique<PeriodicJob>(
          "collect", std::min(absl::Seconds(config_.collection().period_seconds()), kCollectAsk),
          kCollectDeadline, env_.clock, env_.log,
          [this](const OpContext& ctx) { return Collect(ctx); }));
    }
    if (config_.object_lock_days() > 0) StartObjectLocks();
    add("certificate", absl::Hours(12),
        [this](const OpContext&) { return RenewCertificate(false); });
    StartCareJobs();
  }

  const ServerEnvironment env_;
  const StateDir dir_;
  const config::v1::ServerConfig config_;
  bool stopped_ = false;
  std::stop_source drain_;
  std::unique_ptr<StateLock> lock_;
  std::unique_ptr<storage::FileKekProvider> kek_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::atomic<absl::Time> certificate_expires_at_{absl::InfinitePast()};
  std::unique_ptr<storage::PrivatePostgres> postgres_;
  std::string database_url_;
  std::unique_ptr<storage::PgCatalog> catalog_;
  std::unique_ptr<storage::ObjectStore> objects_;
  std::unique_ptr<storage::ObjectStore> replica_;
  std::unique_ptr<storage::Repository> repository_;
  ServerSettings settings_;
  std::unique_ptr<PermissionTable> permissions_;
  ServerMetrics metrics_;
  FailureLimiter failures_;
  SlotQueue slots_;
  SessionBoard board_;
  AgentHub hub_;
  PublicAddresses addresses_;
  std::unique_ptr<Peers> peers_;
  bool is_cut_off_ = false;  // Of the peers job, and of Start before it.
  std::unique_ptr<AgentAuthenticator> agent_authenticator_;
  std::unique_ptr<TokenAuthenticator> token_authenticator_;
  std::unique_ptr<ServerParts> parts_;
  std::unique_ptr<CollectionDesk> collection_;
  std::unique_ptr<RpcGate> agents_gate_;
  std::unique_ptr<RpcGate> tokens_gate_;
  std::unique_ptr<CareDesk> care_;
  std::unique_ptr<LeasedRounds> leased_;
  std::unique_ptr<Standings> standings_;
  std::unique_ptr<SessionDesk> sessions_;
  std::unique_ptr<RestoreDesk> restores_;
  std::unique_ptr<AgentEvents> events_;
  std::unique_ptr<ThreadPool> control_executor_;
  std::vector<std::unique_ptr<grpc::Service>> agent_services_;
  std::vector<std::unique_ptr<grpc::Service>> admin_services_;
  std::unique_ptr<Listener> agents_listener_;
  std::unique_ptr<Listener> enrollment_listener_;
  std::unique_ptr<MetricsEndpoint> metrics_endpoint_;
  Endpoints endpoints_;
  std::unique_ptr<ObjectLocks> object_locks_;
  std::vector<std::unique_ptr<PeriodicJob>> jobs_;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const OpContext& ctx,
                                                      const ServerEnvironment& environment,
                                                      const StateDir& dir,
                                                      const config::v1::ServerConfig& config,
                                                      absl::Duration upload_idle) {
  auto body = std::make_unique<Body>(environment, dir, config);
  MOORING_RETURN_IF_ERROR(body->Start(ctx, upload_idle));
  return std::unique_ptr<Server>(new Server(std::move(body)));
}

Server::Server(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Server::~Server() = default;
const Endpoints& Server::endpoints() const {
  return body_->endpoints();
}
ServerMetrics& Server::metrics() {
  return body_->metrics();
}
absl::Status Server::RefreshMetrics(const OpContext& ctx) {
  return body_->RefreshMetrics(ctx);
}
absl::Status Server::RunJobsOnce(const OpContext& ctx) {
  return body_->RunJobsOnce(ctx);
}
void Server::Stop(absl::Duration grace) {
  body_->Stop(grace);
}

}  // namespace mooring::server
