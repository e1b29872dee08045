// Invitations: what turns a workstation into an agent, a capped number of times.

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

using InvitationId = Id<struct InvitationIdTag, 16>;

struct InvitationRecord {
  InvitationId id;
  Bytes secret_hash;  // SHA-256 of the secret.
  std::uint32_t uses_max = 1;
  std::uint32_t uses = 0;
  std::string note;
  std::string created_by;
  absl::Time created_at;
  absl::Time expires_at;
  std::optional<absl::Time> revoked_at;
};

class InvitationStore {
 public:
  virtual ~InvitationStore() = default;

  virtual absl::Status Create(const InvitationRecord& record) = 0;

  // Spends one use, in one step, so that no two callers can share the last one.
  // kNotFound: unknown. kPermissionDenied: revoked. kFailedPrecondition: expired.
  // kResourceExhausted: used up. The message says which, and what to do.
  virtual absl::StatusOr<InvitationRecord> Use(ByteView secret_hash, absl::Time now) = 0;

  // Newest first.
  virtual absl::StatusOr<std::vector<InvitationRecord>> List() = 0;
  // OK if it was revoked before. kNotFound: no such invitation.
  virtual absl::Status Revoke(const InvitationId& id, absl::Time at) = 0;
};

}  // namespace mooring::storage
