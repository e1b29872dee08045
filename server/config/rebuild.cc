#include "server/config/rebuild.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "server/config/admin_token.h"
#include "server/config/identity.h"
#include "server/config/object_store.h"
#include "server/config/recovery_kit.h"
#include "server/config/server_config.h"
#include "storage/base/status.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/organization_store.h"
#include "storage/catalog/pg_catalog.h"
#include "storage/catalog/private_postgres.h"

namespace mooring::server {
namespace {

class Rebuilder {
 public:
  Rebuilder(const OpContext& ctx, const InitEnvironment& environment, const StateDir& dir,
            const std::string& kit, config::v1::ServerConfig& config)
      : ctx_(ctx), env_(environment), dir_(dir), kit_(kit), config_(config) {}

  absl::StatusOr<storage::RebuildSummary> Run() {
    if (env_.files.Stat(dir_.config()).ok()) {
      return absl::AlreadyExistsError(
          fmt::format("{} has a server already; name a new state directory", dir_.path()));
    }
    MOORING_RETURN_IF_ERROR(env_.files.CreateDirectories(dir_.path(), 0711));
    MOORING_ASSIGN_OR_RETURN(const auto lock, StateLock::Take(dir_));
    MOORING_RETURN_IF_ERROR(InstallRecoveryKit(env_.files, kit_, dir_, config_.kek_file()));
    MOORING_ASSIGN_OR_RETURN(kek_, storage::FileKekProvider::Load(env_.files, env_.random,
                                                                  env_.clock, config_.kek_file()));
    MOORING_ASSIGN_OR_RETURN(authority_, LoadAuthority(env_.files, dir_, *kek_, env_.random));
    MOORING_RETURN_IF_ERROR(EnsureServerCertificate(env_.files, dir_, *authority_,
                                                    ServerNames(config_.listen()), env_.clock.Now(),
                                                    false)
                                .status());
    absl::StatusOr<storage::RebuildSummary> summary = Fill();
    const absl::Status stopped = postgres_ == nullptr ? absl::OkStatus() : postgres_->Stop();
    MOORING_RETURN_IF_ERROR(summary.status());
    MOORING_RETURN_IF_ERROR(stopped);
    MOORING_RETURN_IF_ERROR(WriteRecoveryKit(env_.files, env_.clock, dir_, config_, *authority_));
    MOORING_RETURN_IF_ERROR(WriteServerConfig(env_.files, dir_, config_));
    return summary;
  }

 private:
  absl::StatusOr<storage::RebuildSummary> Fill() {
    std::string url = config_.database_url();
    if (url.empty()) {
      storage::PrivatePostgresOptions options;
      options.directory = dir_.postgres();
      MOORING_ASSIGN_OR_RETURN(postgres_,
                               storage::PrivatePostgres::Start(ctx_, options, env_.clock));
      url = postgres_->url();
    }
    MOORING_ASSIGN_OR_RETURN(const OpenedObjectStore opened,
                             OpenObjectStore(ctx_, {env_.files, env_.clock, env_.random}, config_));
    const storage::RebuildParts parts{.objects = *opened.store,
                                      .kek = *kek_,
                                      .database_url = url,
                                      .clock = env_.clock,
                                      .random = env_.random,
                                      .organization = config_.organization(),
                                      .single_admin = config_.single_admin()};
    // An attempt that was killed behind its commit has left a whole catalog.
    storage::RebuildSummary summary;
    MOORING_ASSIGN_OR_RETURN(const bool is_done, IsRebuilt(url));
    if (!is_done) {
      std::string step;
      MOORING_ASSIGN_OR_RETURN(
          summary,
          storage::RebuildCatalog(ctx_, parts, [&](const storage::RebuildProgress& progress) {
            if (progress.step == step && progress.done % 1000 != 0) return;
            step = progress.step;
            env_.tell(fmt::format("{:<20} {}", progress.step, progress.done));
          }));
    }
    storage::PgCatalogOptions options;
    options.url = url;
    MOORING_ASSIGN_OR_RETURN(const auto catalog,
                             storage::PgCatalog::Open(ctx_, options, env_.clock, env_.random));
    // The database knows it by now, whatever this command was given.
    const absl::Status read = catalog->Run(ctx_, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const auto organization, tx.organization().Get());
      if (!organization) return absl::InternalError("the organization was not rebuilt");
      config_.set_organization(organization->name);
      config_.set_single_admin(organization->single_admin);
      return absl::OkStatus();
    });
    MOORING_RETURN_IF_ERROR(read);
    MOORING_RETURN_IF_ERROR(
        WriteAdminToken(ctx_, *catalog, env_.files, env_.clock, env_.random, dir_.admin_token()));
    return summary;
  }

  absl::StatusOr<bool> IsRebuilt(const std::string& url) {
    storage::PgCatalogOptions options;
    options.url = url;
    const auto catalog = storage::PgCatalog::Open(ctx_, options, env_.clock, env_.random);
    if (!catalog.ok()) return false;  // No schema yet; what else is wrong shows below.
    bool is_done = false;
    const absl::Status read = (*catalog)->Run(ctx_, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const storage::CareState state, tx.care().State());
      is_done = state.rebuilt_at.has_value();
      return absl::OkStatus();
    });
    MOORING_RETURN_IF_ERROR(read);
    return is_done;
  }

  const OpContext& ctx_;
  const InitEnvironment& env_;
  const StateDir& dir_;
  const std::string& kit_;
  config::v1::ServerConfig& config_;
  std::unique_ptr<storage::FileKekProvider> kek_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<storage::PrivatePostgres> postgres_;
};

}  // namespace

absl::StatusOr<storage::RebuildSummary> RebuildServer(const OpContext& ctx,
                                                      const InitEnvironment& environment,
                                                      const StateDir& dir, const std::string& kit,
                                                      config::v1::ServerConfig config) {
  if (config.organization().empty()) {
    config.set_organization(OrganizationOfKit(environment.files, kit));
  }
  if (config.organization().empty()) config.set_organization("Mooring");
  MOORING_RETURN_IF_ERROR(CheckServerConfig(config, dir));
  return Rebuilder(ctx, environment, dir, kit, config).Run();
}

}  // namespace mooring::server
