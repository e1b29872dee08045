#include "server/config/authority_record.h"

#include <optional>
#include <string>

#include <fmt/format.h>

#include "server/auth/certificate_authority.h"
#include "storage/base/status.h"
#include "storage/catalog/key_store.h"
#include "storage/catalog/server_store.h"

namespace mooring::server {
namespace {

constexpr std::uint64_t kFileBytesMax = 64 << 10;

absl::StatusOr<std::optional<storage::AuthorityRecord>> ReadAuthority(const OpContext& ctx,
                                                                      storage::Catalog& catalog) {
  std::optional<storage::AuthorityRecord> authority;
  MOORING_RETURN_IF_ERROR(catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(authority, tx.servers().Authority());
    return absl::OkStatus();
  }));
  return authority;
}

// Of an attempt before this one, or nothing.
absl::Status Install(FileSystem& files, const std::string& path, ByteView bytes, unsigned mode) {
  const absl::StatusOr<Bytes> there = files.Read(path, kFileBytesMax);
  if (there.ok() && SecretBytes::Equal(*there, bytes)) return absl::OkStatus();
  if (there.ok()) {
    return absl::FailedPreconditionError(fmt::format(
        "{} is there and is not this organization's; name another state directory", path));
  }
  if (!absl::IsNotFound(there.status())) return there.status();
  return WriteFileDurably(files, path, bytes, mode);
}

}  // namespace

absl::Status PublishAuthority(const OpContext& ctx, storage::Catalog& catalog, FileSystem& files,
                              const StateDir& dir) {
  storage::AuthorityRecord ours;
  MOORING_ASSIGN_OR_RETURN(const Bytes certificate,
                           files.Read(dir.ca_certificate(), kFileBytesMax));
  ours.certificate = ToString(certificate);
  MOORING_ASSIGN_OR_RETURN(ours.wrapped_key, files.Read(dir.ca_key(), kFileBytesMax));
  std::optional<storage::AuthorityRecord> theirs;
  MOORING_RETURN_IF_ERROR(catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    const absl::Status created = tx.servers().CreateAuthority(ours);
    if (!absl::IsAlreadyExists(created)) return created;
    MOORING_ASSIGN_OR_RETURN(theirs, tx.servers().Authority());
    return absl::OkStatus();
  }));
  // The same key may be wrapped anew; the certificate says which CA it is.
  if (!theirs || theirs->certificate == ours.certificate) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "{} is not the CA that the database's organization has; make this server's state directory "
      "with `mooringd join`",
      dir.ca_certificate()));
}

absl::Status InstallAuthority(const OpContext& ctx, storage::Catalog& catalog,
                              storage::KekProvider& kek, FileSystem& files, const StateDir& dir) {
  MOORING_ASSIGN_OR_RETURN(const auto authority, ReadAuthority(ctx, catalog));
  if (!authority) {
    return absl::FailedPreconditionError(
        "the organization's CA is not in its database yet; start its first server once with this "
        "version of mooringd, then join");
  }
  const absl::StatusOr<SecretBytes> key =
      kek.Unwrap(storage::KeyPurpose::kCaKey, storage::kNoSubject, authority->wrapped_key);
  if (absl::IsPermissionDenied(key.status())) {
    return absl::PermissionDeniedError(
        "the key-encryption key is not the one of this organization; --kek-file takes the `kek` "
        "of the first server's state directory or of its recovery kit");
  }
  MOORING_RETURN_IF_ERROR(Annotate(key.status(), "the CA's key in the database"));
  MOORING_RETURN_IF_ERROR(Install(files, dir.ca_key(), authority->wrapped_key, 0600));
  return Install(files, dir.ca_certificate(), AsBytes(authority->certificate), 0644);
}

}  // namespace mooring::server
