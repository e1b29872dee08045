#include "server/config/init.h"

#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "server/compliance/policy_check.h"
#include "server/config/admin_token.h"
#include "server/config/identity.h"
#include "server/config/object_store.h"
#include "server/config/recovery_kit.h"
#include "server/config/server_config.h"
#include "storage/base/status.h"
#include "storage/catalog/migrations.h"
#include "storage/catalog/organization_store.h"
#include "storage/catalog/pg_catalog.h"
#include "storage/catalog/policy_store.h"
#include "storage/catalog/private_postgres.h"
#include "storage/repository/repository.h"

namespace mooring::server {
namespace {

class Initializer {
 public:
  Initializer(const OpContext& ctx, const InitEnvironment& environment, const StateDir& dir,
              config::v1::ServerConfig& config)
      : ctx_(ctx), env_(environment), dir_(dir), config_(config) {}

  absl::Status Run() {
    MOORING_RETURN_IF_ERROR(MakeDirectory());
    MOORING_ASSIGN_OR_RETURN(const auto lock, StateLock::Take(dir_));
    MOORING_RETURN_IF_ERROR(MakeKeys());
    MOORING_RETURN_IF_ERROR(OpenDatabase());
    const absl::Status filled = Fill();
    catalog_.reset();
    // serve starts it again; nothing may be left running behind a finished init.
    const absl::Status stopped = postgres_ == nullptr ? absl::OkStatus() : postgres_->Stop();
    MOORING_RETURN_IF_ERROR(filled);
    MOORING_RETURN_IF_ERROR(stopped);
    MOORING_RETURN_IF_ERROR(WriteKit());
    return WriteServerConfig(env_.files, dir_, config_);
  }

 private:
  absl::Status MakeDirectory() {
    if (env_.files.Stat(dir_.config()).ok()) {
      return absl::AlreadyExistsError(
          fmt::format("{} has a server already; start it with `mooringd serve --state-dir {}`",
                      dir_.path(), dir_.path()));
    }
    // The private PostgreSQL runs as another user and must get through; every
    // file in here has its own protection.
    MOORING_RETURN_IF_ERROR(env_.files.CreateDirectories(dir_.path(), 0711));
    static const std::set<std::string> kOurs{"lock",       "kek",         "ca.pem",
                                             "ca.key",     "tls",         "postgres",
                                             "repository", "admin-token", "recovery-kit"};
    MOORING_ASSIGN_OR_RETURN(const auto entries, env_.files.List(dir_.path()));
    for (const FileInfo& entry : entries) {
      // WriteFileDurably may have left its temporary file beside one of ours.
      if (kOurs.count(entry.name) == 0 && entry.name.find(".tmp") == std::string::npos) {
        return absl::FailedPreconditionError(
            fmt::format("{} holds \"{}\", which is not ours; name an empty directory", dir_.path(),
                        entry.name));
      }
    }
    return absl::OkStatus();
  }

  absl::Status MakeKeys() {
    const absl::Status created =
        storage::FileKekProvider::Create(env_.files, env_.random, config_.kek_file());
    if (!created.ok() && !absl::IsAlreadyExists(created)) return created;
    env_.tell(fmt::format("key-encryption key   {}", config_.kek_file()));
    MOORING_ASSIGN_OR_RETURN(kek_, storage::FileKekProvider::Load(env_.files, env_.random,
                                                                  env_.clock, config_.kek_file()));
    MOORING_RETURN_IF_ERROR(
        EnsureAuthority(env_.files, dir_, config_.organization(), *kek_, env_.clock, env_.random));
    MOORING_ASSIGN_OR_RETURN(authority_, LoadAuthority(env_.files, dir_, *kek_, env_.random));
    env_.tell(fmt::format("certificate authority {}", dir_.ca_certificate()));
    return EnsureServerCertificate(env_.files, dir_, *authority_, ServerNames(config_.listen()),
                                   env_.clock.Now(), false)
        .status();
  }

  absl::Status OpenDatabase() {
    std::string url = config_.database_url();
    if (url.empty()) {
      storage::PrivatePostgresOptions options;
      options.directory = dir_.postgres();
      MOORING_ASSIGN_OR_RETURN(postgres_,
                               storage::PrivatePostgres::Start(ctx_, options, env_.clock));
      url = postgres_->url();
    }
    MOORING_RETURN_IF_ERROR(storage::MigrateCatalog(ctx_, url, env_.clock).status());
    storage::PgCatalogOptions options;
    options.url = url;
    MOORING_ASSIGN_OR_RETURN(catalog_,
                             storage::PgCatalog::Open(ctx_, options, env_.clock, env_.random));
    env_.tell(fmt::format("database             {}",
                          postgres_ != nullptr ? dir_.postgres() : "as given, migrated"));
    return absl::OkStatus();
  }

  absl::Status Fill() {
    MOORING_RETURN_IF_ERROR(MakeOrganization());
    MOORING_ASSIGN_OR_RETURN(const OpenedObjectStore opened,
                             OpenObjectStore(ctx_, {env_.files, env_.clock, env_.random}, config_));
    storage::ObjectStore& objects = *opened.store;
    const absl::Status created =
        storage::Repository::Create(ctx_, *catalog_, objects, *kek_, env_.clock, env_.random);
    if (!created.ok() && !absl::IsAlreadyExists(created)) return created;
    // Of this catalog, and under this key: an init before this one, not another server.
    MOORING_RETURN_IF_ERROR(
        Annotate(storage::Repository::Open(ctx_, *catalog_, objects, *kek_, env_.clock, env_.random)
                     .status(),
                 config_.repository()));
    env_.tell(fmt::format("repository           {}", config_.repository()));
    if (!opened.capabilities.empty()) {
      env_.tell(fmt::format("                     {}", opened.capabilities));
    }
    return MakeAdmin();
  }

  absl::Status MakeOrganization() {
    return catalog_->Run(ctx_, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const auto present, tx.organization().Get());
      if (present) {
        if (present->name == config_.organization() &&
            present->single_admin == config_.single_admin()) {
          return absl::OkStatus();
        }
        return absl::FailedPreconditionError(fmt::format(
            "the database belongs to \"{}\" (single_admin {}); give the same again, or another "
            "database",
            present->name, present->single_admin));
      }
      const absl::Time now = env_.clock.Now();
      MOORING_RETURN_IF_ERROR(
          tx.organization().Create({config_.organization(), config_.single_admin(), now}));
      MOORING_RETURN_IF_ERROR(tx.policies().Apply(BuiltInPolicy(), "server", now).status());
      return tx.Audit(
          {.at = now,
           .actor = "server",
           .action = "organization.create",
           .subject = config_.organization(),
           .detail_json = fmt::format(R"({{"single_admin":{}}})", config_.single_admin())});
    });
  }

  absl::Status MakeAdmin() {
    if (env_.files.Stat(dir_.admin_token()).ok()) return absl::OkStatus();
    return WriteAdminToken(ctx_, *catalog_, env_.files, env_.clock, env_.random,
                           dir_.admin_token());
  }

  absl::Status WriteKit() {
    MOORING_RETURN_IF_ERROR(WriteRecoveryKit(env_.files, env_.clock, dir_, config_, *authority_));
    env_.tell(
        fmt::format("recovery kit         {}\n"
                    "                     Copy it to a safe place away from this machine. "
                    "Without its key nobody,\n"
                    "                     you included, can read a single backup.",
                    dir_.recovery_kit()));
    return absl::OkStatus();
  }

  const OpContext& ctx_;
  const InitEnvironment& env_;
  const StateDir& dir_;
  config::v1::ServerConfig& config_;
  std::unique_ptr<storage::FileKekProvider> kek_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<storage::PrivatePostgres> postgres_;
  std::unique_ptr<storage::PgCatalog> catalog_;
};

}  // namespace

absl::Status InitServer(const OpContext& ctx, const InitEnvironment& environment,
                        const StateDir& dir, config::v1::ServerConfig config) {
  MOORING_RETURN_IF_ERROR(CheckServerConfig(config, dir));
  return Initializer(ctx, environment, dir, config).Run();
}

}  // namespace mooring::server
