// The keys of one backup session, out of their HPKE seal.

#pragma once

#include <absl/status/statusor.h>

#include "mooring/v1/backup.pb.h"
#include "storage/base/ids.h"
#include "storage/base/secret_bytes.h"
#include "storage/seal/key_ring.h"

namespace mooring::agent {

inline constexpr char kSessionKeysInfo[] = "mooring/session-keys/1";
inline constexpr char kSnapshotKeyInfo[] = "mooring/snapshot-key/1";

struct SessionKeyRing {
  storage::DomainKeys person;
  storage::DomainKeys organization;
  SecretBytes snapshot_key;
  SecretBytes base_snapshot_key;  // Empty where there is no base.
};

// kDataLoss: not sealed to this key, or not what a server makes.
absl::StatusOr<SessionKeyRing> OpenSessionKeys(const v1::SessionGrant& grant,
                                               const SecretBytes& hpke_private_key);

}  // namespace mooring::agent
