#include "agent/pipeline/session_keys.h"

#include <string>

#include <openssl/crypto.h>

#include "storage/base/status.h"
#include "storage/seal/hpke.h"

namespace mooring::agent {
namespace {

absl::Status Damaged(std::string_view field) {
  return absl::DataLossError("session keys: field " + std::string(field) +
                             " has a wrong length; agent and server do not fit together");
}

// Takes a 32-byte secret and wipes where it came from.
absl::StatusOr<SecretBytes> Take(std::string* from, std::string_view name) {
  if (from->size() != 32) return Damaged(name);
  SecretBytes secret = SecretBytes::CopyOf(AsBytes(*from));
  OPENSSL_cleanse(from->data(), from->size());
  return secret;
}

absl::StatusOr<storage::DomainKeys> TakeDomain(const std::string& id, std::string* secret,
                                               std::string* chunker, std::string_view name) {
  const std::optional<DomainId> domain = DomainId::FromBytes(id);
  if (!domain) return Damaged(name);
  storage::DomainKeys keys;
  keys.id = *domain;
  MOORING_ASSIGN_OR_RETURN(keys.domain_secret, Take(secret, name));
  MOORING_ASSIGN_OR_RETURN(keys.chunker_secret, Take(chunker, name));
  return keys;
}

}  // namespace

absl::StatusOr<SessionKeyRing> OpenSessionKeys(const v1::SessionGrant& grant,
                                               const SecretBytes& hpke_private_key) {
  auto opened = storage::HpkeOpen(hpke_private_key, kSessionKeysInfo, AsBytes(grant.session_id()),
                                  AsBytes(grant.sealed_session_keys()));
  if (!opened.ok()) return Annotate(opened.status(), "session keys");
  v1::SessionKeys keys;
  if (!keys.ParseFromArray(opened->view().data(), static_cast<int>(opened->size()))) {
    return absl::DataLossError("session keys: not a SessionKeys message");
  }
  SessionKeyRing ring;
  MOORING_ASSIGN_OR_RETURN(ring.person, TakeDomain(keys.domain_id(), keys.mutable_domain_secret(),
                                                   keys.mutable_chunker_secret(), "domain"));
  MOORING_ASSIGN_OR_RETURN(
      ring.organization,
      TakeDomain(keys.organization_domain_id(), keys.mutable_organization_domain_secret(),
                 keys.mutable_organization_chunker_secret(), "organization_domain"));
  MOORING_ASSIGN_OR_RETURN(ring.snapshot_key, Take(keys.mutable_snapshot_key(), "snapshot_key"));
  if (!keys.base_snapshot_key().empty()) {
    MOORING_ASSIGN_OR_RETURN(ring.base_snapshot_key,
                             Take(keys.mutable_base_snapshot_key(), "base_snapshot_key"));
  }
  return ring;
}

}  // namespace mooring::agent
