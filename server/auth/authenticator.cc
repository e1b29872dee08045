#include "server/auth/authenticator.h"

#include <optional>
#include <utility>

#include "proto/rpc_status.h"
#include "server/auth/certificate_authority.h"
#include "storage/base/status.h"
#include "storage/catalog/account_store.h"
#include "storage/seal/digest.h"

namespace mooring::server {
namespace {

constexpr std::size_t kRememberedMax = 4096;
constexpr std::size_t kAddressesMax = 4096;
constexpr absl::Duration kBelievedFor = absl::Seconds(1);
constexpr std::string_view kBearer = "Bearer ";
constexpr std::size_t kTokenBytesMax = 256;

}  // namespace

absl::StatusOr<Caller> AgentAuthenticator::Authenticate(const OpContext& ctx,
                                                        const PeerEvidence& evidence) {
  if (evidence.certificate.empty()) {
    return absl::UnauthenticatedError("this port takes agents with their certificate only");
  }
  std::uint64_t generation = 0;
  {
    MutexLock lock(mutex_);
    const auto it = remembered_.find(evidence.certificate);
    if (it != remembered_.end() && it->second.until > clock_.Monotonic()) return it->second.caller;
    generation = generation_;
  }
  const absl::StatusOr<Bytes> key_hash = CertificateKeyHash(evidence.certificate);
  if (!key_hash.ok()) return absl::UnauthenticatedError("unreadable client certificate");
  MOORING_ASSIGN_OR_RETURN(Caller caller, Look(ctx, *key_hash));
  MutexLock lock(mutex_);
  if (generation == generation_) {
    if (remembered_.size() >= kRememberedMax) remembered_.clear();
    remembered_[evidence.certificate] = {caller, clock_.Monotonic() + kBelievedFor};
  }
  return caller;
}

absl::StatusOr<Caller> AgentAuthenticator::Look(const OpContext& ctx, const Bytes& key_hash) {
  std::optional<storage::AgentRecord> agent;
  const absl::Status read = catalog_.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(agent, tx.agents().FindByKeyHash(key_hash));
    // The first call with a renewed key ends the life of the one before it.
    if (agent && agent->key_hash == key_hash && !agent->previous_key_hash.empty()) {
      MOORING_RETURN_IF_ERROR(tx.agents().ConfirmKey(agent->id));
    }
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  if (!agent) {
    return absl::UnauthenticatedError(
        "no agent of this organization has this certificate; enroll the workstation again");
  }
  if (agent->revoked_at) {
    return absl::PermissionDeniedError(
        "this agent has been revoked; ask an administrator for a new invitation");
  }
  if (agent->certificate_expires_at <= clock_.Now()) {
    return absl::UnauthenticatedError("the agent's certificate has expired; enroll it again");
  }
  Caller caller;
  caller.kind = Caller::Kind::kAgent;
  caller.agent = *std::move(agent);
  caller.key_hash = key_hash;
  caller.permissions = {v1::PERMISSION_AGENT, v1::PERMISSION_GRANT};
  return caller;
}

void AgentAuthenticator::Forget() {
  MutexLock lock(mutex_);
  remembered_.clear();
  ++generation_;
}

absl::StatusOr<Caller> TokenAuthenticator::Authenticate(const OpContext& ctx,
                                                        const PeerEvidence& evidence) {
  if (evidence.authorization.empty()) return Caller{};
  const std::string_view value = evidence.authorization;
  if (value.substr(0, kBearer.size()) != kBearer || value.size() > kTokenBytesMax ||
      value.substr(kBearer.size()).substr(0, kApiTokenPrefix.size()) != kApiTokenPrefix) {
    return absl::UnauthenticatedError("the authorization is not \"Bearer mk_...\"");
  }
  const auto digest = storage::Sha256(AsBytes(value.substr(kBearer.size())));
  std::optional<storage::ApiTokenRecord> token;
  const absl::Status read = catalog_.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(token, tx.accounts().FindToken(digest));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  // One answer for unknown and revoked: a guesser learns nothing.
  if (!token || token->revoked_at || !SecretBytes::Equal(token->token_hash, digest)) {
    return absl::UnauthenticatedError(
        "unknown or revoked token; run `mooring login` with one that is valid");
  }
  if (token->expires_at <= clock_.Now()) {
    return absl::UnauthenticatedError("the token has expired; ask for a new one");
  }
  Caller caller;
  caller.kind = Caller::Kind::kAccount;
  caller.account = token->account;
  caller.token_expires_at = token->expires_at;
  caller.permissions = token->permissions;
  return caller;
}

std::string FailureLimiter::HostOf(const std::string& address) {
  // "ipv4:192.0.2.1:4711": connections of one host differ in their port alone.
  return address.substr(0, address.rfind(':'));
}

absl::Status FailureLimiter::Check(const std::string& address) {
  MutexLock lock(mutex_);
  const auto it = failures_.find(HostOf(address));
  if (it == failures_.end()) return absl::OkStatus();
  if (clock_.Monotonic() - it->second.since >= window_) {
    failures_.erase(it);
    return absl::OkStatus();
  }
  if (it->second.count < failures_max_) return absl::OkStatus();
  return absl::ResourceExhaustedError("too many failed attempts from this address; wait a minute");
}

void FailureLimiter::Failed(const std::string& address) {
  MutexLock lock(mutex_);
  const absl::Duration now = clock_.Monotonic();
  if (failures_.size() >= kAddressesMax) {
    // Full of those that have passed, or of an attack: either way start over.
    failures_.clear();
  }
  Failures& failures = failures_[HostOf(address)];
  if (failures.count == 0 || now - failures.since >= window_) failures = {0, now};
  ++failures.count;
}

}  // namespace mooring::server
