// Agents: enrolled workstations, known by the hash of their certificate's key.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"

namespace mooring::storage {

struct AgentRecord {
  AgentId id;
  std::string hostname;
  std::string version;
  std::string os;
  std::uint32_t protocol_version = 0;
  Bytes hpke_public_key;
  Bytes key_hash;           // SHA-256 of the certificate's public key (SPKI).
  Bytes previous_key_hash;  // Accepted until the renewed one is first used; else empty.
  absl::Time certificate_expires_at;
  absl::Time enrolled_at;
  std::optional<absl::Time> last_seen_at;
  std::optional<absl::Time> revoked_at;
  std::string revoked_reason;
};

struct AgentView {
  AgentRecord agent;
  std::vector<std::string> attached;  // Serials of the phones plugged in there, sorted.
};

// What an agent says of itself in its hello.
struct AgentHelloFacts {
  std::string hostname;
  std::string version;
  std::string os;
  std::uint32_t protocol_version = 0;
};

class AgentStore {
 public:
  virtual ~AgentStore() = default;

  // kAlreadyExists: the id or the key is known.
  virtual absl::Status Create(const AgentRecord& record) = 0;
  virtual absl::StatusOr<std::optional<AgentRecord>> Get(const AgentId& id) = 0;
  // By its present or its previous key; revoked ones too: the caller judges.
  virtual absl::StatusOr<std::optional<AgentRecord>> FindByKeyHash(ByteView key_hash) = 0;
  // By host name.
  virtual absl::StatusOr<std::vector<AgentView>> List() = 0;

  virtual absl::Status SetHello(const AgentId& id, const AgentHelloFacts& facts, absl::Time at) = 0;
  // Notes that it was heard from.
  virtual absl::Status Touch(const AgentId& id, absl::Time at) = 0;
  // A new key beside `used_key_hash`, the one that this call was made with; any
  // other key is forgotten. kFailedPrecondition: revoked, or the key is not its own.
  virtual absl::Status Renew(const AgentId& id, ByteView used_key_hash, ByteView new_key_hash,
                             absl::Time certificate_expires_at) = 0;
  // The renewed key is in use: forgets the previous one.
  virtual absl::Status ConfirmKey(const AgentId& id) = 0;
  // OK if it was revoked before; the first time and reason stand. kNotFound: no such agent.
  virtual absl::Status Revoke(const AgentId& id, const std::string& reason, absl::Time at) = 0;

  // Not revoked.
  virtual absl::StatusOr<std::uint64_t> Count() = 0;
};

}  // namespace mooring::storage
