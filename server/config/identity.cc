#include "server/config/identity.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "server/config/server_config.h"
#include "storage/base/status.h"
#include "storage/catalog/key_store.h"

namespace mooring::server {
namespace {

constexpr std::uint64_t kFileBytesMax = 64 << 10;

}  // namespace

std::string HostName() {
  std::array<char, 256> name{};
  const bool has_name = gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0';
  return has_name ? std::string(name.data()) : "localhost";
}

absl::Status EnsureAuthority(FileSystem& files, const StateDir& dir,
                             const std::string& organization, storage::KekProvider& kek,
                             Clock& clock, Random& random) {
  if (files.Stat(dir.ca_certificate()).ok()) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const CertificateAuthority::NewAuthority made,
                           CertificateAuthority::Create(organization, clock.Now(), random));
  MOORING_ASSIGN_OR_RETURN(
      const Bytes wrapped,
      kek.Wrap(storage::KeyPurpose::kCaKey, storage::kNoSubject, made.private_key.view()));
  MOORING_RETURN_IF_ERROR(WriteFileDurably(files, dir.ca_key(), wrapped, 0600));
  return WriteFileDurably(files, dir.ca_certificate(), AsBytes(made.certificate), 0644);
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> LoadAuthority(FileSystem& files,
                                                                    const StateDir& dir,
                                                                    storage::KekProvider& kek,
                                                                    Random& random) {
  MOORING_ASSIGN_OR_RETURN(const Bytes certificate,
                           files.Read(dir.ca_certificate(), kFileBytesMax));
  MOORING_ASSIGN_OR_RETURN(const Bytes wrapped, files.Read(dir.ca_key(), kFileBytesMax));
  const absl::StatusOr<SecretBytes> key =
      kek.Unwrap(storage::KeyPurpose::kCaKey, storage::kNoSubject, wrapped);
  MOORING_RETURN_IF_ERROR(Annotate(key.status(), dir.ca_key()));
  return CertificateAuthority::Load(ToString(certificate), *key, random);
}

std::vector<std::string> ServerNames(const config::v1::Listen& listen) {
  std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
  const auto add = [&](const std::string& name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  };
  add(HostName());
  for (const std::string& name : listen.names()) add(name);
  for (const std::string* address : {&listen.agents(), &listen.enrollment()}) {
    const auto parsed = ParseHostPort(*address);
    if (parsed.ok() && parsed->host != "0.0.0.0" && parsed->host != "::") add(parsed->host);
  }
  return names;
}

absl::StatusOr<absl::Time> EnsureServerCertificate(FileSystem& files, const StateDir& dir,
                                                   CertificateAuthority& authority,
                                                   const std::vector<std::string>& names,
                                                   absl::Time now, bool always) {
  const absl::StatusOr<Bytes> present = files.Read(dir.server_certificate(), kFileBytesMax);
  if (present.ok() && !always && files.Stat(dir.server_key()).ok()) {
    const absl::StatusOr<absl::Time> expires = CertificateExpiry(ToString(*present));
    if (expires.ok() && *expires - now > kServerCertificateLifetime / 3) return *expires;
  }
  MOORING_RETURN_IF_ERROR(files.CreateDirectories(dir.tls(), 0700));
  MOORING_ASSIGN_OR_RETURN(const IssuedServerCertificate issued, authority.IssueServer(names, now));
  // A reader between the two sees a pair that does not match, and tries again.
  MOORING_RETURN_IF_ERROR(
      WriteFileDurably(files, dir.server_key(), issued.private_key.view(), 0600));
  MOORING_RETURN_IF_ERROR(
      WriteFileDurably(files, dir.server_certificate(), AsBytes(issued.certificate.chain), 0644));
  return issued.certificate.expires_at;
}

}  // namespace mooring::server
