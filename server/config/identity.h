// Identity: the keys and certificates of a server in its state directory.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "mooring/config/v1/config.pb.h"
#include "server/auth/certificate_authority.h"
#include "server/config/state_dir.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/random.h"
#include "storage/seal/key_ring.h"

namespace mooring::server {

// Makes the CA where there is none: its key is durable, wrapped, before its
// certificate. An interrupted attempt is repeated.
absl::Status EnsureAuthority(FileSystem& files, const StateDir& dir,
                             const std::string& organization, storage::KekProvider& kek,
                             Clock& clock, Random& random);

// kPermissionDenied: the KEK is not the one that wrapped the CA's key.
absl::StatusOr<std::unique_ptr<CertificateAuthority>> LoadAuthority(FileSystem& files,
                                                                    const StateDir& dir,
                                                                    storage::KekProvider& kek,
                                                                    Random& random);

// This host's; "localhost" where it has none.
std::string HostName();

// localhost, this host's name, and what the configuration adds.
std::vector<std::string> ServerNames(const config::v1::Listen& listen);

// Issues the server's certificate where there is none, where a third of its life
// or less is left, or where `always`. Returns when the one in place ends.
absl::StatusOr<absl::Time> EnsureServerCertificate(FileSystem& files, const StateDir& dir,
                                                   CertificateAuthority& authority,
                                                   const std::vector<std::string>& names,
                                                   absl::Time now, bool always);

}  // namespace mooring::server
