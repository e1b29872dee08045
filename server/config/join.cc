#include "server/config/join.h"

#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "server/config/authority_record.h"
#include "server/config/identity.h"
#include "server/config/object_store.h"
#include "server/config/server_config.h"
#include "storage/base/status.h"
#include "storage/catalog/collection_store.h"
#include "storage/catalog/database_clock.h"
#include "storage/catalog/database_url.h"
#include "storage/catalog/organization_store.h"
#include "storage/catalog/pg_catalog.h"
#include "storage/objects/s3_settings.h"
#include "storage/repository/repository.h"
#include "storage/retention/prune.h"

namespace mooring::server {
namespace {

constexpr std::uint64_t kKekBytesMax = 4096;

class Joiner {
 public:
  Joiner(const OpContext& ctx, const InitEnvironment& environment, const StateDir& dir,
         const std::string& kek_file, config::v1::ServerConfig& config)
      : ctx_(ctx), env_(environment), dir_(dir), kek_file_(kek_file), config_(config) {}

  absl::Status Run() {
    MOORING_RETURN_IF_ERROR(MakeDirectory());
    MOORING_ASSIGN_OR_RETURN(const auto lock, StateLock::Take(dir_));
    MOORING_ASSIGN_OR_RETURN(
        kek_, storage::FileKekProvider::Load(env_.files, env_.random, env_.clock, kek_file_));
    // All that can be refused comes before anything is written.
    MOORING_RETURN_IF_ERROR(OpenDatabase());
    MOORING_RETURN_IF_ERROR(ReadOrganization());
    MOORING_RETURN_IF_ERROR(CompareClocks());
    MOORING_RETURN_IF_ERROR(CheckRepository());
    MOORING_RETURN_IF_ERROR(InstallAuthority(ctx_, *catalog_, *kek_, env_.files, dir_));
    MOORING_RETURN_IF_ERROR(CopyKek());
    MOORING_RETURN_IF_ERROR(MakeCertificate());
    MOORING_RETURN_IF_ERROR(Audit());
    return WriteServerConfig(env_.files, dir_, config_);
  }

 private:
  absl::Status MakeDirectory() {
    if (env_.files.Stat(dir_.config()).ok()) {
      return absl::AlreadyExistsError(
          fmt::format("{} has a server already; start it with `mooringd serve --state-dir {}`",
                      dir_.path(), dir_.path()));
    }
    MOORING_RETURN_IF_ERROR(env_.files.CreateDirectories(dir_.path(), 0711));
    static const std::set<std::string> kOurs{"lock", "kek", "ca.pem", "ca.key", "tls"};
    MOORING_ASSIGN_OR_RETURN(const auto entries, env_.files.List(dir_.path()));
    for (const FileInfo& entry : entries) {
      if (kOurs.count(entry.name) == 0 && entry.name.find(".tmp") == std::string::npos) {
        return absl::FailedPreconditionError(
            fmt::format("{} holds \"{}\", which join has not made; name an empty directory",
                        dir_.path(), entry.name));
      }
    }
    return absl::OkStatus();
  }

  absl::Status OpenDatabase() {
    storage::PgCatalogOptions options;
    options.url = config_.database_url();
    auto opened = storage::PgCatalog::Open(ctx_, options, env_.clock, env_.random);
    if (absl::IsUnavailable(opened.status())) {
      return absl::FailedPreconditionError(fmt::format(
          "the database cannot be reached from here: {}. The private PostgreSQL of a server (init "
          "without --database) listens on a socket in its own state directory alone; several "
          "servers need a PostgreSQL that each of them reaches over the network",
          std::string(opened.status().message())));
    }
    if (absl::IsFailedPrecondition(opened.status())) {
      return absl::FailedPreconditionError(fmt::format(
          "{}: join adds a server to an organization whose servers run this version; a new "
          "organization begins with `mooringd init`",
          std::string(opened.status().message())));
    }
    MOORING_RETURN_IF_ERROR(opened.status());
    catalog_ = *std::move(opened);
    env_.tell(
        fmt::format("database             {}", storage::DescribeDatabase(config_.database_url())));
    return absl::OkStatus();
  }

  absl::Status ReadOrganization() {
    std::optional<storage::OrganizationRecord> organization;
    MOORING_RETURN_IF_ERROR(catalog_->Run(ctx_, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(organization, tx.organization().Get());
      return absl::OkStatus();
    }));
    if (!organization) {
      return absl::FailedPreconditionError(
          "the database has no organization; a new one begins with `mooringd init`");
    }
    config_.set_organization(organization->name);
    config_.set_single_admin(organization->single_admin);
    env_.tell(fmt::format("organization         {}", organization->name));
    return absl::OkStatus();
  }

  absl::Status CompareClocks() {
    storage::CatalogClock database(*catalog_);
    const absl::Time before = env_.clock.Now();
    MOORING_ASSIGN_OR_RETURN(const absl::Time theirs, database.Now(ctx_));
    if (before - theirs <= storage::kClockTolerance &&
        theirs - env_.clock.Now() <= storage::kClockTolerance) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(fmt::format(
        "this host's clock and PostgreSQL's are {} apart; set the clock first",
        absl::FormatDuration(absl::Trunc(absl::AbsDuration(before - theirs), absl::Seconds(1)))));
  }

  absl::Status CheckRepository() {
    // Opening one that is not there would make it.
    const std::string& where = config_.repository();
    if (!storage::IsS3Url(where) && !env_.files.Stat(where).ok()) {
      return absl::FailedPreconditionError(fmt::format(
          "{} is not there; name the directory of the organization's repository, on storage that "
          "all of its servers share, as it is mounted here",
          where));
    }
    MOORING_ASSIGN_OR_RETURN(const OpenedObjectStore opened,
                             OpenObjectStore(ctx_, {env_.files, env_.clock, env_.random}, config_));
    const absl::Status same =
        storage::Repository::Open(ctx_, *catalog_, *opened.store, *kek_, env_.clock, env_.random)
            .status();
    if (absl::IsPermissionDenied(same)) {
      return absl::PermissionDeniedError(
          "the key-encryption key is not the one of this organization; --kek-file takes the `kek` "
          "of the first server's state directory or of its recovery kit");
    }
    MOORING_RETURN_IF_ERROR(Annotate(same, where));
    env_.tell(fmt::format("repository           {}", where));
    if (!opened.capabilities.empty()) {
      env_.tell(fmt::format("                     {}", opened.capabilities));
    }
    return absl::OkStatus();
  }

  absl::Status CopyKek() {
    config_.set_kek_file(dir_.kek());
    MOORING_ASSIGN_OR_RETURN(const SecretBytes kek,
                             ReadSecretFile(env_.files, kek_file_, kKekBytesMax));
    // Of an attempt before this one; another organization's would have been refused.
    return WriteFileDurably(env_.files, dir_.kek(), kek.view(), 0600);
  }

  absl::Status MakeCertificate() {
    MOORING_ASSIGN_OR_RETURN(const auto authority,
                             LoadAuthority(env_.files, dir_, *kek_, env_.random));
    env_.tell(fmt::format("certificate authority {}", dir_.ca_certificate()));
    return EnsureServerCertificate(env_.files, dir_, *authority, ServerNames(config_.listen()),
                                   env_.clock.Now(), false)
        .status();
  }

  absl::Status Audit() {
    return catalog_->Run(ctx_, [&](storage::Transaction& tx) {
      return tx.Audit({.at = env_.clock.Now(),
                       .actor = "server",
                       .action = "server.join",
                       .subject = HostName()});
    });
  }

  const OpContext& ctx_;
  const InitEnvironment& env_;
  const StateDir& dir_;
  const std::string& kek_file_;
  config::v1::ServerConfig& config_;
  std::unique_ptr<storage::FileKekProvider> kek_;
  std::unique_ptr<storage::PgCatalog> catalog_;
};

}  // namespace

absl::Status JoinServer(const OpContext& ctx, const InitEnvironment& environment,
                        const StateDir& dir, const std::string& kek_file,
                        config::v1::ServerConfig config) {
  if (config.database_url().empty() || config.repository().empty() || kek_file.empty()) {
    return absl::InvalidArgumentError(
        "join needs --database, --repository and --kek-file: those of the organization");
  }
  // The database will say its name.
  config.set_organization("joining");
  MOORING_RETURN_IF_ERROR(CheckServerConfig(config, dir));
  return Joiner(ctx, environment, dir, kek_file, config).Run();
}

}  // namespace mooring::server
