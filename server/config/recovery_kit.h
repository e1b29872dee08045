// The recovery kit: what a rebuild needs beside the object store.
//
//   kek       the key-encryption key
//   ca.pem    the CA's certificate, which agents pin
//   ca.key    its private key, wrapped by the KEK
//   ids.json  whose it is
//   README.txt

#pragma once

#include <string>

#include <absl/status/status.h>

#include "mooring/config/v1/config.pb.h"
#include "server/auth/certificate_authority.h"
#include "server/config/state_dir.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"

namespace mooring::server {

// Writes the kit of a server into its state directory.
absl::Status WriteRecoveryKit(FileSystem& files, Clock& clock, const StateDir& dir,
                              const config::v1::ServerConfig& config,
                              const CertificateAuthority& authority);

// Copies keys and certificate of the kit in `kit` to where a server has them. What
// is there already must be the same. kFailedPrecondition names what the kit lacks.
absl::Status InstallRecoveryKit(FileSystem& files, const std::string& kit, const StateDir& dir,
                                const std::string& kek_file);

// The organization's name in the kit; empty where it says none.
std::string OrganizationOfKit(FileSystem& files, const std::string& kit);

}  // namespace mooring::server
