// Authenticator: turns what a connection and a call carry into a Caller.
//
// Agents are known by the hash of the public key in the certificate that TLS has
// verified against our CA; their row is asked for revocation on every call.
// Accounts are known by the SHA-256 of a bearer token.

#pragma once

#include <cstdint>
#include <string>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include "server/auth/caller.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"

namespace mooring::server {

// What the transport knows of the other side. Empty where there is nothing.
struct PeerEvidence {
  std::string certificate;    // PEM, verified against our CA.
  std::string authorization;  // The metadata value.
  std::string address;        // As gRPC names the peer.
};

// Thread-safe.
class Authenticator {
 public:
  virtual ~Authenticator() = default;

  // kUnauthenticated says what is missing or wrong; kPermissionDenied: revoked;
  // kUnavailable: the catalog cannot be asked.
  virtual absl::StatusOr<Caller> Authenticate(const OpContext& ctx,
                                              const PeerEvidence& evidence) = 0;
};

class AgentAuthenticator final : public Authenticator {
 public:
  AgentAuthenticator(storage::Catalog& catalog, Clock& clock) : catalog_(catalog), clock_(clock) {}

  absl::StatusOr<Caller> Authenticate(const OpContext& ctx, const PeerEvidence& evidence) override;

  // Drops what is remembered of agents: their rows have changed.
  void Forget();

 private:
  struct Remembered {
    Caller caller;
    absl::Duration until;  // Monotonic.
  };

  absl::StatusOr<Caller> Look(const OpContext& ctx, const Bytes& key_hash);

  storage::Catalog& catalog_;
  Clock& clock_;
  Mutex mutex_;
  // By certificate. A row is believed for a second at most.
  absl::flat_hash_map<std::string, Remembered> remembered_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Prefix of API tokens: "mk_" and the base64url of 32 random bytes.
inline constexpr std::string_view kApiTokenPrefix = "mk_";

class TokenAuthenticator final : public Authenticator {
 public:
  TokenAuthenticator(storage::Catalog& catalog, Clock& clock) : catalog_(catalog), clock_(clock) {}

  absl::StatusOr<Caller> Authenticate(const OpContext& ctx, const PeerEvidence& evidence) override;

 private:
  storage::Catalog& catalog_;
  Clock& clock_;
};

// Bounds how often one address may fail to prove itself: `failures_max` within
// `window`, after which it is refused until the window has passed. Thread-safe;
// remembers a bounded number of addresses.
class FailureLimiter {
 public:
  FailureLimiter(Clock& clock, int failures_max, absl::Duration window)
      : clock_(clock), failures_max_(failures_max), window_(window) {}

  // kResourceExhausted: too many failures from there.
  absl::Status Check(const std::string& address);
  void Failed(const std::string& address);

 private:
  struct Failures {
    int count = 0;
    absl::Duration since;
  };

  static std::string HostOf(const std::string& address);

  Clock& clock_;
  const int failures_max_;
  const absl::Duration window_;
  Mutex mutex_;
  absl::flat_hash_map<std::string, Failures> failures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::server
