#include "server/config/object_store.h"

#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/objects/disk_object_store.h"
#include "storage/objects/retaining_object_store.h"
#include "storage/objects/s3_object_store.h"

namespace mooring::server {
namespace {

constexpr std::uint32_t kLockDaysMax = 36'500;  // AWS's longest.

absl::Status Wrong(std::string_view key, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", key, why));
}

absl::StatusOr<storage::S3Settings> SettingsOf(const config::v1::ServerConfig& config) {
  const config::v1::S3& s3 = config.s3();
  MOORING_ASSIGN_OR_RETURN(storage::S3Url url, storage::ParseS3Url(config.repository()));
  storage::S3Settings settings;
  settings.bucket = std::move(url.bucket);
  settings.prefix = std::move(url.prefix);
  settings.endpoint = s3.endpoint();
  settings.region = s3.region();
  settings.ca_file = s3.ca_file();
  settings.quota_bytes = s3.quota_bytes();
  settings.requires_object_lock = config.object_lock_days() > 0;
  MOORING_RETURN_IF_ERROR(Annotate(storage::CheckS3Settings(settings), "s3"));
  if (s3.addressing() == "host") {
    settings.bucket_in_host = true;
  } else if (s3.addressing() == "path") {
    settings.bucket_in_host = false;
  } else if (!s3.addressing().empty()) {
    return Wrong("s3.addressing", "is \"path\" or \"host\"");
  }
  return settings;
}

absl::StatusOr<std::unique_ptr<storage::S3CredentialSource>> CredentialsOf(
    FileSystem& files, const config::v1::S3& s3) {
  if (!s3.credentials_file().empty()) {
    return storage::S3CredentialSource::FromFile(files, s3.credentials_file());
  }
  const auto variable = [](const char* name) -> std::string_view {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
  };
  storage::S3Credentials credentials;
  credentials.access_key_id = std::string(variable("AWS_ACCESS_KEY_ID"));
  credentials.secret_access_key = SecretBytes::CopyOf(AsBytes(variable("AWS_SECRET_ACCESS_KEY")));
  credentials.session_token = std::string(variable("AWS_SESSION_TOKEN"));
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return absl::FailedPreconditionError(
        "no credentials for the bucket: name a file (s3.credentials_file, or init's "
        "--s3-credentials-file), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  return storage::S3CredentialSource::Fixed(std::move(credentials));
}

}  // namespace

config::v1::ServerConfig ReplicaAsRepository(const config::v1::ServerConfig& config) {
  config::v1::ServerConfig replica = config;
  replica.set_repository(config.replica());
  replica.clear_object_lock_days();
  replica.clear_s3();
  if (config.has_replica_s3()) *replica.mutable_s3() = config.replica_s3();
  return replica;
}

absl::Status CheckObjectStoreConfig(const config::v1::ServerConfig& config) {
  if (storage::IsS3Url(config.repository())) {
    MOORING_RETURN_IF_ERROR(SettingsOf(config).status());
  } else if (config.has_s3()) {
    return Wrong("s3", "the repository is a directory; name s3://BUCKET[/PREFIX], or take s3 out");
  } else if (config.object_lock_days() > 0) {
    return Wrong("object_lock_days",
                 "a directory cannot be locked against whoever owns it; this needs a bucket");
  }
  if (config.object_lock_days() > kLockDaysMax) {
    return Wrong("object_lock_days", fmt::format("at most {}", kLockDaysMax));
  }
  return absl::OkStatus();
}

absl::StatusOr<OpenedObjectStore> OpenObjectStore(const OpContext& ctx,
                                                  const ObjectStoreEnvironment& environment,
                                                  const config::v1::ServerConfig& config) {
  OpenedObjectStore opened;
  if (!storage::IsS3Url(config.repository())) {
    MOORING_ASSIGN_OR_RETURN(
        opened.store, storage::DiskObjectStore::Open(environment.files, environment.clock,
                                                     environment.random, config.repository()));
    return opened;
  }
  MOORING_ASSIGN_OR_RETURN(const storage::S3Settings settings, SettingsOf(config));
  MOORING_ASSIGN_OR_RETURN(auto credentials, CredentialsOf(environment.files, config.s3()));
  MOORING_ASSIGN_OR_RETURN(auto store,
                           storage::S3ObjectStore::Open(ctx, settings, std::move(credentials),
                                                        environment.clock, environment.random));
  opened.capabilities = store->capabilities().Text();
  opened.store = std::move(store);
  if (config.object_lock_days() > 0) {
    opened.store = std::make_unique<storage::RetainingObjectStore>(
        std::move(opened.store), environment.clock, absl::Hours(24) * config.object_lock_days());
  }
  return opened;
}

}  // namespace mooring::server
